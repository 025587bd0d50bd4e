"""Our EfficientNets against torchvision's."""

import os

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy

from manako.models.backbones.efficientnet import MBConv
from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS, model_info
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

ALL = os.environ.get("MANAKO_PARITY") == "all"
NAMES = [f"efficientnet_b{number}" for number in range(8)]


@pytest.fixture(scope="module", params=NAMES if ALL else NAMES[:1])
def both(request):
    # 34 is even, where padding shows; the other sizes are odd, so that every stride rounds.
    images = torch.randn(2, 3, 34, 41, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[request.param].build(num_classes=11, in_channels=3),
        lambda: getattr(torchvision.models, request.param)(num_classes=11),
        from_torchvision,
        images,
        maps={
            2: "features.1",
            4: "features.2",
            8: "features.3",
            16: "features.5",
            32: "features.8",
        },
    )


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(both):
    ours, theirs = outputs(both)

    assert len(ours) == 7
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_torchvisions(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "backbone.features.7.0.block.3.1.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE


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
