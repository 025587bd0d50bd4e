"""Our ConvNeXts against torchvision's."""

import os

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

ALL = os.environ.get("MANAKO_PARITY") == "all"
CASES = [("convnext_tiny", 3), ("convnext_tiny", 5)]
CASES += [("convnext_small", 3), ("convnext_base", 3), ("convnext_large", 3)] if ALL else []


def torchvisions(name, in_channels):
    model = getattr(torchvision.models, name)(num_classes=11)
    first = model.features[0][0]
    model.features[0][0] = nn.Conv2d(in_channels, first.out_channels, 4, stride=4)
    return model


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def both(request):
    name, in_channels = request.param
    # Odd sizes, so that every stride rounds: 71 x 46, 17 x 11, 8 x 5, 4 x 2, 2 x 1.
    images = torch.randn(2, in_channels, 71, 46, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[name].build(num_classes=11, in_channels=in_channels),
        lambda: torchvisions(name, in_channels),
        from_torchvision,
        images,
        maps={4: "features.1", 8: "features.3", 16: "features.5", 32: "features.7"},
    )


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(both):
    ours, theirs = outputs(both)

    assert len(ours) == 6
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_of_a_training_step_equal_torchvisions(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "mean_norm.bias", "backbone.features.3.0.layer_scale"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE
