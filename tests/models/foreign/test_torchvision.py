import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.weights import load_weights
from manako.models.zoo import MODELS
from manako.storage.tensors import save_tensors


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "convnext_tiny",
        "convnext_small",
        "convnext_base",
        "convnext_large",
    ],
)
def test_every_tensor_of_torchvision_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_torchvision(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_a_file_of_a_convnext_fits_other_channels_and_classes(build, tmp_path):
    theirs = torchvision.models.convnext_tiny(num_classes=9).state_dict()
    save_tensors(tmp_path / "weights.safetensors", theirs)
    model = build("convnext_tiny", num_classes=7, in_channels=1)

    loaded = load_weights(model, f"torchvision:{tmp_path / 'weights.safetensors'}")

    first = model.backbone.features[0][0].weight
    torch.testing.assert_close(first, theirs["features.0.0.weight"].sum(1, keepdim=True))
    assert torch.equal(model.mean_norm.weight, theirs["classifier.0.weight"])
    assert "head replaced (9 -> 7 classes)" in loaded.message
    assert "first convolution fitted from 3 channels to 1" in loaded.message
