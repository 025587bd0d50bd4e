"""Transforms that move pixels; boxes and masks move with them.

A `size_hw` is the size (height, width) in pixels that comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manako.data.randomness import Draws
from manako.data.transforms.affine import FILLS, Fill
from manako.data.transforms.geometry import Rule, frame_of, kept_boxes, lay, mirrored
from manako.data.transforms.ranges import check_number, check_range
from manako.errors import ShapeError, UsageError
from manako.structures import BoxTargets, Frame, MaskTarget, Sample, Target


@dataclass(frozen=True)
class Resize:
    """The whole picture at another size, as `frame_of` lays it there."""

    draws: ClassVar[int] = 0
    size_hw: tuple[int, int]
    rule: Rule = "stretch"

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes no random number; a picture of that size already comes back as it is."""
        if sample.size_hw == self.size_hw:
            return sample
        return lay(sample, frame_of(sample.size_hw, self.size_hw, self.rule))


@dataclass(frozen=True)
class HorizontalFlip:
    """Left and right exchanged, with a probability."""

    draws: ClassVar[int] = 1
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_number("probability", self.probability, 0, 1)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number: whether."""
        return mirrored(sample, horizontally=True) if draws.chance(self.probability) else sample


@dataclass(frozen=True)
class AlternatingFlip:
    """Left and right exchanged in every second epoch, from the first or the second one on.

    A coin for each picture decides which; over two epochs each picture is seen both ways, where
    independent coins would show a quarter of them twice as they are and a quarter twice mirrored.
    `Pipeline.numbers` gives the coin of the first epoch, turned over in every second one.

    Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498,
    section 3.6.
    """

    draws: ClassVar[int] = 1

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number: whether."""
        return mirrored(sample, horizontally=True) if draws.chance(0.5) else sample


@dataclass(frozen=True)
class VerticalFlip:
    """Top and bottom exchanged, with a probability."""

    draws: ClassVar[int] = 1
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_number("probability", self.probability, 0, 1)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number: whether."""
        return mirrored(sample, horizontally=False) if draws.chance(self.probability) else sample


@dataclass(frozen=True)
class RandomCrop:
    """A random part of the picture; a side that is too short is padded, at random ends."""

    draws: ClassVar[int] = 2
    size_hw: tuple[int, int]

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers: top and left."""
        return lay(sample, _anywhere(sample.size_hw, sample.size_hw, self.size_hw, draws))


@dataclass(frozen=True)
class ScaleAndCrop:
    """The picture scaled at random, then cropped or padded at random to `size_hw`.

    The scale is relative to the size at which `rule` lays the picture into the input: with
    "stretch" height and width are each fitted, otherwise the picture keeps its proportions.
    """

    draws: ClassVar[int] = 3
    size_hw: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    rule: Rule = "stretch"

    def __post_init__(self) -> None:
        check_range("scale", self.scale)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes three numbers: scale, top and left."""
        fitted_hw = frame_of(sample.size_hw, self.size_hw, self.rule).content_hw
        scale = draws.uniform(*self.scale)
        content_hw = (max(1, round(fitted_hw[0] * scale)), max(1, round(fitted_hw[1] * scale)))
        return lay(sample, _anywhere(sample.size_hw, content_hw, self.size_hw, draws))


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of the picture, of random proportions, at one size.

    Source: Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842, section 6. As in
    torchvision, ten parts are drawn until one lies inside the picture; else the largest centred
    one of allowed proportions is taken.

    `area` is the part's share of the picture, `ratio` its width by its height; `relative` takes
    that as a factor on the picture's own width by height, so that wide pictures, squeezed into a
    square as a whole when they are recognized, are squeezed as much in parts.
    """

    draws: ClassVar[int] = 22
    size_hw: tuple[int, int]
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    relative: bool = False

    def __post_init__(self) -> None:
        check_range("area", self.area, highest=1.0)
        check_range("ratio", self.ratio)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes up to 22 numbers: area and ratio of ten tries, top and left."""
        part_hw, offset_yx = self._part(sample.size_hw, draws)
        part = lay(sample, Frame(sample.size_hw, part_hw, sample.size_hw, offset_yx))
        return lay(part, Frame(part_hw, self.size_hw, self.size_hw))

    def _part(
        self, size_hw: tuple[int, int], draws: Draws
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        height, width = size_hw
        own = width / height if self.relative else 1.0
        low, high = (limit * own for limit in self.ratio)
        for _ in range(10):
            area = draws.uniform(*self.area) * height * width
            ratio = math.exp(draws.uniform(math.log(low), math.log(high)))
            part_hw = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < part_hw[0] <= height and 0 < part_hw[1] <= width:
                return part_hw, _anywhere(size_hw, size_hw, part_hw, draws).offset_yx
        part_hw = min(height, round(width / low)), min(width, round(height * high))
        part_hw = max(1, part_hw[0]), max(1, part_hw[1])
        return part_hw, ((part_hw[0] - height) // 2, (part_hw[1] - width) // 2)


@dataclass(frozen=True)
class PadAndCrop:
    """The picture shifted by up to `pixels` each way, at its own size.

    Source: padding by 4 and cropping at random, Lee et al., "Deeply-supervised nets",
    arXiv:1409.5185, section 3.2. What comes in at the edge is black ("zero"), the picture
    mirrored at its outermost pixels ("reflect"), or those pixels repeated ("edge"). A mask comes
    in likewise, as `IGNORE` for "zero". Boxes are shifted as `lay` crops them; what is mirrored
    gets none.
    """

    draws: ClassVar[int] = 2
    pixels: int
    fill: Fill = "zero"

    def __post_init__(self) -> None:
        if self.pixels < 0 or self.fill not in FILLS:
            raise UsageError(
                f"cannot pad by {self.pixels} pixels with {self.fill!r}",
                expected="0 or more pixels, with 'zero', 'reflect' or 'edge'",
            )

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers: the shifts down and to the right."""
        down = draws.integer(-self.pixels, self.pixels + 1)
        right = draws.integer(-self.pixels, self.pixels + 1)
        if down == right == 0:
            return sample
        size_hw = sample.size_hw
        if self.fill == "zero":
            return lay(sample, Frame(size_hw, size_hw, size_hw, (down, right)), pad_level=0)
        rows = _sources(size_hw[0], self.pixels, self.fill)[self.pixels - down :][: size_hw[0]]
        columns = _sources(size_hw[1], self.pixels, self.fill)[self.pixels - right :][: size_hw[1]]
        target: Target | None = sample.target
        if isinstance(target, MaskTarget):
            target = MaskTarget(_gathered(target.mask, rows, columns))
        elif isinstance(target, BoxTargets):
            shift = target.boxes_xyxy.new_tensor([right, down, right, down])
            target = kept_boxes(target.with_boxes(target.boxes_xyxy + shift), size_hw)
        return Sample(_gathered(sample.image, rows, columns), target, sample.name)


def _anywhere(
    original_hw: tuple[int, int],
    content_hw: tuple[int, int],
    input_hw: tuple[int, int],
    draws: Draws,
) -> Frame:
    """The content at a random place: inside the input where it fits, else covering it."""
    offset_y, offset_x = (
        draws.integer(min(size - content, 0), max(size - content, 0) + 1)
        for size, content in zip(input_hw, content_hw, strict=True)
    )
    return Frame(original_hw, input_hw, content_hw, (offset_y, offset_x))


@lru_cache(maxsize=32)
def _sources(size: int, pixels: int, fill: Fill) -> NDArray[np.int64]:
    """Which pixel of a line each pixel of the padded line shows, [size + 2 * pixels]."""
    if fill == "reflect" and pixels >= size:
        raise ShapeError(
            f"a picture {size} pixels wide or high cannot be reflected by {pixels}",
            expected=f"at most {size - 1} pixels",
        )
    index = np.arange(-pixels, size + pixels)
    if fill == "edge":
        return index.clip(0, size - 1)
    last = size - 1
    return np.asarray(last - np.abs(last - np.abs(index)))


def _gathered(plane: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
    # By NumPy: on pictures of CIFAR's size it takes 3 us, torch.index_select 7.
    array: NDArray[Any] = plane.numpy()
    return torch.from_numpy(array.take(rows, axis=-2).take(columns, axis=-1))
