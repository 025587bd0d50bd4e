"""Rates, norms and sizes of our EfficientNets against torchvision's; the rest is in test_named."""

import pytest
import torch
import torchvision
from torch import nn

from manako.models.backbones.efficientnet import MBConv
from manako.models.zoo import MODELS, model_info

NAMES = [f"efficientnet_b{number}" for number in range(8)]


@pytest.mark.parametrize("name", NAMES)
def test_rates_and_norms_are_those_of_torchvision(name):
    with torch.device("meta"):
        ours = MODELS[name].build(num_classes=1000, in_channels=3)
        theirs = getattr(torchvision.models, name)()

    def norms(model):
        layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
        return [(layer.eps, layer.momentum, layer.num_features) for layer in layers]

    rates = [block.stochastic_depth.rate for block in ours.modules() if isinstance(block, MBConv)]
    their_rates = [
        block.p for block in theirs.modules() if isinstance(block, torchvision.ops.StochasticDepth)
    ]
    assert norms(ours) == norms(theirs)
    assert rates == pytest.approx(their_rates)
    assert ours.dropout.p == theirs.classifier[0].p


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_size_is_that_of_torchvisions_evaluation(name):
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1

    (side,) = weights.transforms().crop_size

    assert model_info(name).size_hw == (side, side)
