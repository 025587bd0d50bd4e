"""Our MobileNets against timm's."""

import os

import pytest
import torch
from timm.models.efficientnet import _gen_mobilenet_v1  # the public names have two widths only
from torch.nn.functional import cross_entropy

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

ALL = os.environ.get("MANAKO_PARITY") == "all"
WIDTHS = {
    "mobilenetv1_025": 0.25,
    "mobilenetv1_050": 0.5,
    "mobilenetv1_075": 0.75,
    "mobilenetv1_100": 1.0,
    "mobilenetv1_125": 1.25,
}
CASES = [(name, channels) for name in WIDTHS for channels in (3, 1)]
DEFAULT = [("mobilenetv1_025", 1), ("mobilenetv1_100", 3)]


@pytest.fixture(scope="module", params=CASES if ALL else DEFAULT)
def both(request):
    name, channels = request.param
    # 34 is even, where padding shows; the other sizes are odd, so that every stride rounds.
    images = torch.randn(2, channels, 34, 41, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[name].build(num_classes=11, in_channels=channels),
        lambda: _gen_mobilenet_v1(
            "mobilenetv1_100", WIDTHS[name], num_classes=11, in_chans=channels
        ),
        from_timm,
        images,
        maps={2 ** (index + 1): f"blocks.{index}" for index in range(5)},
    )


def test_logits_feature_maps_and_input_gradients_equal_timms(both):
    ours, theirs = outputs(both)

    assert len(ours) == 7
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_timms(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "backbone.blocks.4.1.bn2.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE
