import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS

NAMES = ["resnet18", "resnet50", "wide_resnet50_2", "wide_resnet101_2", "swin_t", "swin_b"]


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_torchvision_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_torchvision(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted
