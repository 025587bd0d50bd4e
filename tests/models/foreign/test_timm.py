import pytest
import timm
import torch

from manako.models.foreign.timm import from_timm
from manako.models.weights import load_weights
from manako.models.zoo import MODELS
from manako.storage.tensors import save_tensors


@pytest.mark.parametrize("name", [f"poolformer_{size}" for size in ("s12", "s36", "m48")])
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = timm.create_model(name)
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_timm(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_a_file_of_timm_fits_other_channels_and_classes(build, tmp_path):
    with torch.device("meta"):
        theirs = timm.create_model("poolformer_s12", num_classes=9).state_dict()
    weights = {name: torch.rand(tensor.shape) for name, tensor in theirs.items()}
    save_tensors(tmp_path / "weights.safetensors", weights)
    model = build("poolformer_s12", num_classes=7, in_channels=1)

    loaded = load_weights(model, f"timm:{tmp_path / 'weights.safetensors'}")

    first = model.backbone.levels[0].embedding.weight
    torch.testing.assert_close(first, weights["stem.conv.weight"].sum(1, keepdim=True))
    assert torch.equal(model.map_norm.weight, weights["head.norm.weight"])
    assert "head replaced (9 -> 7 classes)" in loaded.message
    assert "first convolution fitted from 3 channels to 1" in loaded.message
