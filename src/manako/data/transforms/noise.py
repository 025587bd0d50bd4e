"""Transforms that add noise, or put it in the place of a part of the picture.

A field of noise is not drawn from `Draws` number by number: two numbers are the key of a
counter-based generator (Philox-4x64, Salmon et al., SC 2011, as NumPy has it), of which only the
raw bits are used. These are the same on every platform and in every version of NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manako.data.randomness import Draws
from manako.data.transforms.ranges import check_number, check_range
from manako.errors import UsageError
from manako.structures import IGNORE, MaskTarget, Sample, Target

ErasingFill = Literal["noise", "mean"]

_TRIES = 10


@dataclass(frozen=True)
class GaussianNoise:
    """Normal noise of `std` grey levels added to each value by itself, rounded and clipped.

    The normal distribution is taken at 65,536 equally probable places, which ends it at 4.3
    standard deviations.
    """

    draws: ClassVar[int] = 2
    std: float = 8.0

    def __post_init__(self) -> None:
        check_number("noise", self.std, 0, 255)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers: the key of the noise."""
        shape = tuple(sample.image.shape)
        places = _random_bytes(draws, 2 * math.prod(shape)).view("<u2").reshape(shape)
        levels = _normal_levels(self.std)[places]
        levels += sample.image.numpy()
        image = torch.from_numpy(levels.clip(0, 255, out=levels).astype(np.uint8))
        return Sample(image, sample.target, sample.name)


@dataclass(frozen=True)
class RandomErasing:
    """A random rectangle of the picture replaced by random values, or by the mean colour.

    Source: Zhong et al., "Random erasing data augmentation", arXiv:1708.04896, algorithm 1, with
    its numbers. Two departures: the ratio of height to width is drawn evenly in its logarithm, so
    that high and wide rectangles are equally likely, and after ten rectangles that do not fit the
    picture is left alone. "mean" is the mean of this picture, not of a data set.

    `area` is the share of the picture. Boxes stay, for what is half hidden is still to be found;
    in a mask the rectangle becomes `IGNORE`.
    """

    draws: ClassVar[int] = 3 + 2 * _TRIES + 2
    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    ratio: tuple[float, float] = (0.3, 1 / 0.3)
    fill: ErasingFill = "noise"

    def __post_init__(self) -> None:
        check_number("probability", self.probability, 0, 1)
        check_range("area", self.area, highest=1.0)
        check_range("ratio", self.ratio)
        if self.fill not in ("noise", "mean"):
            raise UsageError(f"fill {self.fill!r} is not known", expected="'noise' or 'mean'")

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes up to 25 numbers: whether, area and ratio of ten tries, top and left, the key."""
        if not draws.chance(self.probability):
            return sample
        sides = self._sides(sample.size_hw, draws)
        if sides is None:
            return sample
        top, left = (
            draws.integer(0, size - side + 1)
            for size, side in zip(sample.size_hw, sides, strict=True)
        )
        part = (slice(top, top + sides[0]), slice(left, left + sides[1]))
        image = sample.image.clone()
        image[:, *part] = self._filling(image, sides, draws)
        target: Target | None = sample.target
        if isinstance(target, MaskTarget):
            mask = target.mask.clone()
            mask[part] = IGNORE
            target = MaskTarget(mask)
        return Sample(image, target, sample.name)

    def _sides(self, size_hw: tuple[int, int], draws: Draws) -> tuple[int, int] | None:
        """Height and width of the first of ten rectangles that is smaller than the picture."""
        pixels = size_hw[0] * size_hw[1]
        low, high = (math.log(ratio) for ratio in self.ratio)
        for _ in range(_TRIES):
            area = pixels * draws.uniform(*self.area)
            ratio = math.exp(draws.uniform(low, high))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < height < size_hw[0] and 0 < width < size_hw[1]:
                return height, width
        return None

    def _filling(self, image: Tensor, sides: tuple[int, int], draws: Draws) -> Tensor:
        """What goes into the rectangle, [C, h, w] or [C, 1, 1]."""
        if self.fill == "mean":
            mean = image.to(torch.float32).mean(dim=(1, 2), keepdim=True)
            return mean.round_().to(torch.uint8)
        shape = (len(image), *sides)
        return torch.from_numpy(_random_bytes(draws, math.prod(shape)).reshape(shape))


def normal_noise(draws: Draws, shape: tuple[int, ...], std: float) -> NDArray[np.float32]:
    """Normal noise of `std` in that shape; takes two numbers, as `GaussianNoise` does."""
    places = _random_bytes(draws, 2 * math.prod(shape)).view("<u2").reshape(shape)
    noise: NDArray[np.float32] = np.float32(std) * _normal_quantiles()[places]
    return noise


def _random_bytes(draws: Draws, count: int) -> NDArray[np.uint8]:
    """`count` random bytes; takes two numbers, the halves of a 64-bit key."""
    high, low = draws.integer(0, 2**32), draws.integer(0, 2**32)
    words = np.random.Philox(key=high << 32 | low).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


@lru_cache(maxsize=8)
def _normal_levels(std: float) -> NDArray[np.int16]:
    """The quantiles of the normal distribution in whole grey levels, int16 [65536].

    Levels are whole numbers: to round the noise first is to round the sum.
    """
    levels = (_quantiles() * std).round().clamp(-255, 255)
    table: NDArray[np.int16] = levels.to(torch.int16).numpy()
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def _normal_quantiles() -> NDArray[np.float32]:
    """The same for a deviation of 1, float32 [65536]."""
    table: NDArray[np.float32] = _quantiles().to(torch.float32).numpy()
    table.setflags(write=False)
    return table


def _quantiles() -> Tensor:
    places = (torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16
    quantiles: Tensor = torch.special.ndtri(places)
    return quantiles
