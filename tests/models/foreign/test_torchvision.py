import re

import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "densenet121",
        "densenet161",
        "densenet169",
        "densenet201",
        "swin_t",
        "swin_s",
        "swin_b",
    ],
)
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
