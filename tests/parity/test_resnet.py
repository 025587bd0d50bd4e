"""Our ResNets against torchvision's."""

import pytest
import torch
import torchvision
from torch.nn.functional import cross_entropy

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2"]


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    # Odd sizes, so that every stride rounds: 33 x 41, 17 x 21, 9 x 11, 5 x 6, 3 x 3, 2 x 2.
    images = torch.randn(2, 3, 33, 41, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[request.param].build(num_classes=11, in_channels=3),
        lambda: getattr(torchvision.models, request.param)(num_classes=11),
        from_torchvision,
        images,
        maps={4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"},
    )


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(both):
    ours, theirs = outputs(both)

    assert len(ours) == 6
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_and_running_statistics_of_a_training_step_equal_torchvisions(both):
    ours, theirs = after_a_training_step(
        both, lambda logits: cross_entropy(logits, torch.tensor([3, 7]))
    )

    assert {"head.weight", "backbone.bn1.running_var"} <= ours.keys()
    assert largest_error(ours, theirs) < CLOSE
