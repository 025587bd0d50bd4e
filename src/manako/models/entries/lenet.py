"""LeNet-5, and the small network of today."""

from __future__ import annotations

from manako.models.backbones.lenet5 import LeNet5
from manako.models.backbones.lenet5_paper import LeNet5Paper
from manako.models.backbones.quick32 import Quick32, Quick32Features
from manako.models.entry import Entry, Paper, cifar10

LENET = Paper("Gradient-Based Learning Applied to Document Recognition", 1998)
QUICK32 = Paper("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, "2404.00498")


def _quick32(
    *,
    num_classes: int,
    in_channels: int,
    width: int = 48,
    bn_momentum: float = 0.4,
    bn_eps: float = 1e-5,
) -> Quick32:
    features = Quick32Features(in_channels, width=width, bn_momentum=bn_momentum, bn_eps=bn_eps)
    return Quick32(features, num_classes)


ENTRIES: dict[str, Entry] = {
    "lenet5": Entry(
        build=LeNet5,
        task="classification",
        paper=LENET,
        params=61_706,
        num_classes=10,
        in_channels=1,
        size_hw=(28, 28),
        reference="layer list of d2l.ai, section 7.6",
    ),
    "lenet5_paper": Entry(
        build=LeNet5Paper,
        task="classification",
        paper=LENET,
        params=60_000,
        num_classes=10,
        in_channels=1,
        size_hw=(32, 32),
        reference="the paper, section II-B and appendix A",
    ),
    "quick32": cifar10(
        _quick32, QUICK32, 1_113_312, "own form after KellerJordan/cifar10-airbench"
    ),
}
