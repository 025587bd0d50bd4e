"""AlexNet's dropout against torchvision's; all else is compared in test_named.py."""

import torch

from manako.models.backbones.alexnet import alexnet
from manako.models.foreign.torchvision import from_torchvision
from networks import CLOSE, difference
from references import HIDDEN, Case, reference


def test_dropout_strikes_where_torchvisions_does():
    theirs = reference(Case("alexnet", "torchvision")).build().double().train()
    ours = alexnet(num_classes=11, hidden=HIDDEN).double().train()
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    images = torch.randn(2, 3, 63, 63, dtype=torch.float64)

    logits = []
    for network in (ours, theirs):
        torch.manual_seed(5)  # one generator, drawn from in the same order
        logits.append(network(images))

    assert difference(*logits) < CLOSE
