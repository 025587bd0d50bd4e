"""Our pre-activation ResNets against timm's."""

import os

import pytest
import timm
import torch
from torch.nn.functional import cross_entropy

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

NAMES = [("resnetv2_18", 11, 1), ("resnetv2_50", 11, 3)]  # number of classes, channels
if os.environ.get("MANAKO_PARITY") == "all":
    NAMES += [(name, 1000, 3) for name in ("resnetv2_34", "resnetv2_101", "resnetv2_152")]


@pytest.fixture(scope="module", params=NAMES, ids=str)
def both(request):
    name, classes, channels = request.param
    # Odd sizes, so that every stride rounds: 33 x 41, 17 x 21, 9 x 11, 5 x 6, 3 x 3, 2 x 2.
    images = torch.randn(2, channels, 33, 41, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[name].build(num_classes=classes, in_channels=channels),
        lambda: timm.create_model(name, num_classes=classes, in_chans=channels),
        from_timm,
        images,
        maps={4: "stages.0", 8: "stages.1", 16: "stages.2", 32: "norm"},
    )


def test_logits_feature_maps_and_input_gradients_equal_timms(both):
    ours, theirs = outputs(both)

    assert len(ours) == 6
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_timms(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "backbone.norm.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE
