import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "wide_resnet50_2", "wide_resnet101_2", "vit_b_16", "vit_h_14"]
)
def test_every_tensor_of_torchvision_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_torchvision(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_the_older_names_of_a_vits_mlp_are_read_too():
    block = "encoder.layers.encoder_layer_0"
    names = [f"{block}.mlp.{layer}.bias" for layer in ("0", "3", "linear_1", "linear_2")]

    found = [next(iter(from_torchvision({name: torch.zeros(1)}))) for name in names]

    assert found == [f"backbone.encoder.blocks.0.mlp.{x}.bias" for x in ("fc1", "fc2") * 2]
