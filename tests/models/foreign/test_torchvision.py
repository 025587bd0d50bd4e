import re

import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.weights import load_weights
from manako.models.zoo import MODELS, list_models
from manako.storage.tensors import save_tensors

NAMES = [
    name
    for name in list_models("classification")
    if "torchvision" in MODELS[name].layouts and name != "googlenet"  # which has a test of its own
]


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_torchvision_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_torchvision(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_the_names_of_torchvisions_published_densenets_are_read_too():
    with torch.device("meta"):
        today = torchvision.models.densenet121().state_dict()
    published = {  # norm.1 for norm1, and no counters
        re.sub(r"(denselayer\d+[.](?:norm|conv))(\d)", r"\1.\2", name): tensor
        for name, tensor in today.items()
        if not name.endswith("num_batches_tracked")
    }

    converted = from_torchvision(published)

    wanted = {n: t.shape for n, t in from_torchvision(today).items() if "tracked" not in n}
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    assert {name: tensor.shape for name, tensor in converted.items()} == wanted


@pytest.mark.parametrize("auxiliary", [True, False])
def test_every_tensor_of_torchvisions_googlenet_finds_its_place_and_shape(auxiliary):
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(aux_logits=auxiliary, init_weights=False)
        ours = MODELS["googlenet"].build(num_classes=1000, in_channels=3, auxiliary=auxiliary)

    converted = from_torchvision(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_the_older_names_of_a_vits_mlp_are_read_too():
    block = "encoder.layers.encoder_layer_0"
    names = [f"{block}.mlp.{layer}.bias" for layer in ("0", "3", "linear_1", "linear_2")]

    found = [next(iter(from_torchvision({name: torch.zeros(1)}))) for name in names]

    assert found == [f"backbone.encoder.blocks.0.mlp.{x}.bias" for x in ("fc1", "fc2") * 2]


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
