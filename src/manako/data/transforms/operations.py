"""Operations of a strength, and the two ways to apply them at random: RandAugment, AutoAugment.

Strengths and their steps are those of torchvision's classes of the same names. Two departures:
what is moved is sampled bilinearly, not at the nearest pixel, and boxes and masks move along, so
that detection and segmentation can use both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from manako.data.randomness import Draws
from manako.data.transforms.affine import Affine, moved
from manako.data.transforms.colour import (
    with_brightness,
    with_contrast,
    with_saturation,
    with_sharpness,
)
from manako.data.transforms.geometry import lay
from manako.data.transforms.policies import POLICIES
from manako.data.transforms.ranges import check_number
from manako.data.transforms.tones import (
    autocontrasted,
    equalized,
    inverted,
    posterized,
    solarized,
)
from manako.errors import UnknownName
from manako.structures import Frame, Sample

RAND_STEPS = 30
"""RandAugment's strongest magnitude."""
AUTO_STEPS = 9
"""AutoAugment's strongest step."""

_LONGEST_SHIFT = 150 / 331  # of the side: 150 pixels of the pictures that AutoAugment was found on


@dataclass(frozen=True)
class Operation:
    """A change of a sample by a strength, from the weakest to the strongest it is used with.

    A `signed` one goes both ways: half of the time it is applied with minus the strength.
    """

    apply: Callable[[Sample, float], Sample]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False

    def strength(self, step: int, steps: int) -> float:
        """The strength of a step, 0 to `steps`, the steps being evenly apart."""
        return (self.weakest * (steps - step) + self.strongest * step) / steps


def _shifted(sample: Sample, right: float, down: float) -> Sample:
    size_hw = sample.size_hw
    offset_yx = int(down * size_hw[0]), int(right * size_hw[1])
    return lay(sample, Frame(size_hw, size_hw, size_hw, offset_yx), pad_level=0)


def _turned(sample: Sample, degrees: float) -> Sample:
    height, width = sample.size_hw
    return moved(sample, Affine.about((width / 2, height / 2), rotate_degrees=-degrees))


def _recoloured(change: Callable[[Tensor, float], Tensor]) -> Callable[[Sample, float], Sample]:
    def apply(sample: Sample, strength: float) -> Sample:
        levels = change(sample.image.to(torch.float32), 1 + strength)
        return Sample(levels.round().to(torch.uint8), sample.target, sample.name)

    return apply


def _retoned(change: Callable[[Tensor, float], Tensor]) -> Callable[[Sample, float], Sample]:
    return lambda sample, strength: Sample(
        change(sample.image, strength), sample.target, sample.name
    )


def _saturated(levels: Tensor, factor: float) -> Tensor:
    return with_saturation(levels, factor) if len(levels) == 3 else levels


OPERATIONS: Mapping[str, Operation] = {
    "identity": Operation(lambda sample, _: sample),
    # A shear of strength s moves a point s pixels for each pixel from the upper left corner.
    "shear_x": Operation(lambda s, by: moved(s, Affine(1, -by, 0, 0, 1, 0)), 0, 0.3, signed=True),
    "shear_y": Operation(lambda s, by: moved(s, Affine(1, 0, 0, -by, 1, 0)), 0, 0.3, signed=True),
    "translate_x": Operation(lambda s, by: _shifted(s, by, 0), 0, _LONGEST_SHIFT, signed=True),
    "translate_y": Operation(lambda s, by: _shifted(s, 0, by), 0, _LONGEST_SHIFT, signed=True),
    "rotate": Operation(_turned, 0, 30, signed=True),  # degrees, to the left
    # Colours: how far the factor is from 1.
    "brightness": Operation(_recoloured(with_brightness), 0, 0.9, signed=True),
    "colour": Operation(_recoloured(_saturated), 0, 0.9, signed=True),
    "contrast": Operation(_recoloured(with_contrast), 0, 0.9, signed=True),
    "sharpness": Operation(_recoloured(with_sharpness), 0, 0.9, signed=True),
    "posterize": Operation(_retoned(lambda image, bits: posterized(image, round(bits))), 8, 4),
    "solarize": Operation(_retoned(solarized), 255, 0),
    "autocontrast": Operation(_retoned(lambda image, _: autocontrasted(image))),
    "equalize": Operation(_retoned(lambda image, _: equalized(image))),
    "invert": Operation(_retoned(lambda image, _: inverted(image))),
}

_RAND_OPERATIONS = tuple(name for name in OPERATIONS if name != "invert")


@dataclass(frozen=True)
class RandAugment:
    """Some of 14 operations at random, all of one strength, one after the other.

    Source: Cubuk, Zoph, Shlens, Le, "RandAugment: practical automated data augmentation with a
    reduced search space", arXiv:1909.13719, figure 2: `operations` is its N, `magnitude` its M, 0
    to 30. "identity" is one of the 14, and one may be taken twice.
    """

    operations: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        check_number("operations", self.operations, 0, 100)
        check_number("magnitude", self.magnitude, 0, RAND_STEPS)

    @property
    def draws(self) -> int:
        """Two numbers an operation."""
        return 2 * self.operations

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers for each operation: which, and its sign."""
        for _ in range(self.operations):
            operation = OPERATIONS[draws.choice(_RAND_OPERATIONS)]
            sample = _applied(
                sample, operation, operation.strength(self.magnitude, RAND_STEPS), draws
            )
        return sample


@dataclass(frozen=True)
class AutoAugment:
    """One of the 25 pairs of operations that a search found best for a data set.

    Source: Cubuk et al., "AutoAugment: learning augmentation strategies from data",
    arXiv:1805.09501, section 3 and appendix. `policy` names the data set: "imagenet", "cifar10"
    or "svhn".
    """

    draws: ClassVar[int] = 5
    policy: str = "imagenet"

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UnknownName("policy", self.policy, POLICIES)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes up to five numbers: which pair, and for each operation whether and its sign."""
        for name, probability, step in draws.choice(POLICIES[self.policy]):
            if draws.chance(probability):
                operation = OPERATIONS[name]
                strength = operation.strength(step, AUTO_STEPS)
                sample = _applied(sample, operation, strength, draws)
        return sample


def _applied(sample: Sample, operation: Operation, strength: float, draws: Draws) -> Sample:
    """The operation with a sign of its own, if it has one; takes one number."""
    against = draws.chance(0.5)
    return operation.apply(sample, -strength if operation.signed and against else strength)
