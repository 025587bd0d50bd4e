"""Our VGGs against torchvision's, with narrow hidden layers: their width changes nothing else.

That the full width fits is shown by the shapes of torchvision's tensors, in test_torchvision.py.
MANAKO_PARITY=all compares every depth.
"""

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
REST = ["vgg13", "vgg11_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]
NAMES = ["vgg11", "vgg13_bn", *(REST if ALL else [])]
HIDDEN = 32


def theirs(name):
    network = getattr(torchvision.models, name)(num_classes=11)
    network.classifier[0] = nn.Linear(512 * 49, HIDDEN)
    network.classifier[3] = nn.Linear(HIDDEN, HIDDEN)
    network.classifier[6] = nn.Linear(HIDDEN, 11)
    return network


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    with torch.device("meta"):
        layers = list(theirs(request.param).features)
    pools = [place for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    # Odd sizes, so that strides round; a last map of 1 x 2 cells for the 7 x 7 bins.
    images = torch.randn(2, 3, 37, 67, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[request.param].build(num_classes=11, in_channels=3, hidden=HIDDEN),
        lambda: theirs(request.param),
        from_torchvision,
        images,
        maps={2**n: f"features.{place - 1}" for n, place in enumerate(pools)}
        | {32: f"features.{pools[-1]}"},
    )


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(both):
    ours, theirs = outputs(both)

    assert len(ours) == 8
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_torchvisions(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.fc8.weight", "backbone.features.0.weight"} <= ours.keys()
    # A batch norm takes away what a bias before it adds: those gradients are rounding errors.
    features = both.ours.backbone.features
    for place, layer in enumerate(features):
        if isinstance(layer, nn.BatchNorm2d):
            name = f"backbone.features.{place - 1}.bias"
            assert max(ours.pop(name).abs().max(), theirs.pop(name).abs().max()) < 1e-12
    assert largest_error(ours, theirs) < CLOSE
