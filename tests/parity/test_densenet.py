"""Our DenseNets against torchvision's and timm's."""

import os

import pytest
import timm
import torch
import torchvision
from torch.nn.functional import cross_entropy

from manako.models.foreign.timm import from_timm
from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

ALL = os.environ.get("MANAKO_PARITY") == "all"
# Name, number of classes, channels of the pictures; torchvision takes three channels only.
TORCHVISION = [("densenet121", 11)]
TIMM = [("densenet121", 5, 1)]
if ALL:
    TORCHVISION += [(name, 1000) for name in ("densenet161", "densenet169", "densenet201")]
    TIMM += [(name, 1000, 3) for name in ("densenet161", "densenet169", "densenet201")]


def images(channels):
    # Odd sizes, so that every step rounds: 37 x 61, 19 x 31, 10 x 16, 5 x 8, 2 x 4, 1 x 2.
    return torch.randn(2, channels, 37, 61, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=TORCHVISION, ids=str)
def with_torchvision(request):
    name, classes = request.param
    return pair(
        lambda: MODELS[name].build(num_classes=classes, in_channels=3),
        lambda: getattr(torchvision.models, name)(num_classes=classes),
        from_torchvision,
        images(3),
        # Its deepest map is rectified only in the classifier: the logits show it.
        maps={4: "features.denseblock1", 8: "features.denseblock2", 16: "features.denseblock3"},
    )


@pytest.fixture(scope="module", params=TIMM, ids=str)
def with_timm(request):
    name, classes, channels = request.param
    return pair(
        lambda: MODELS[name].build(num_classes=classes, in_channels=channels),
        lambda: timm.create_model(name, num_classes=classes, in_chans=channels),
        from_timm,
        images(channels),
        maps={
            4: "features.denseblock1",
            8: "features.denseblock2",
            16: "features.denseblock3",
            32: "features.norm5",
        },
    )


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(with_torchvision):
    ours, theirs = outputs(with_torchvision)

    assert len(ours) == 5
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_logits_feature_maps_and_input_gradients_equal_timms(with_timm):
    ours, theirs = outputs(with_timm)

    assert len(ours) == 6
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_torchvisions(with_torchvision):
    ours, theirs = after_a_training_step(
        with_torchvision, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "backbone.norm5.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_timms(with_timm):
    ours, theirs = after_a_training_step(
        with_timm, lambda logits: cross_entropy(logits, torch.tensor([3, 1]))
    )

    assert {"head.weight", "backbone.norm5.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE
