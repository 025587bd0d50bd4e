"""Our AlexNet against torchvision's, with narrow hidden layers: their width changes nothing else.

That the full width fits is shown by the shapes of torchvision's tensors, in test_torchvision.py.
"""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy

from manako.models.backbones.alexnet import alexnet
from manako.models.foreign.torchvision import from_torchvision
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

HIDDEN = 32


def theirs(in_channels):
    network = torchvision.models.alexnet(num_classes=11)
    network.features[0] = nn.Conv2d(in_channels, 64, 11, stride=4, padding=2)
    network.classifier[1] = nn.Linear(9216, HIDDEN)
    network.classifier[4] = nn.Linear(HIDDEN, HIDDEN)
    network.classifier[6] = nn.Linear(HIDDEN, 11)
    return network


@pytest.fixture(scope="module", params=[3, 1])
def both(request):
    # Odd sizes, so that every stride rounds, and a last map of 2 x 3 cells for the 6 x 6 bins.
    images = torch.randn(2, request.param, 97, 131, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: alexnet(num_classes=11, in_channels=request.param, hidden=HIDDEN),
        lambda: theirs(request.param),
        from_torchvision,
        images,
        maps={4: "features.1", 8: "features.4", 16: "features.11", 32: "features.12"},
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

    assert {"head.fc6.weight", "backbone.conv1.bias"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE


def test_dropout_strikes_where_torchvisions_does():
    ours, others = (
        pair.train()
        for pair in (alexnet(num_classes=11, hidden=HIDDEN).double(), theirs(3).double())
    )
    ours.load_state_dict(from_torchvision(others.state_dict()))
    images = torch.randn(2, 3, 63, 63, dtype=torch.float64)

    logits = []
    for network in (ours, others):
        torch.manual_seed(5)  # one generator, drawn from in the same order
        logits.append(network(images))

    assert difference(*logits) < CLOSE
