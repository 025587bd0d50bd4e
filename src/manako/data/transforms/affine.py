"""Turning, scaling, stretching, slanting and shifting: one affine map moves all of a sample.

Points count from the picture's outer corner, in pixels: the centre of the first pixel is
(0.5, 0.5). Pictures are sampled bilinearly, masks at the nearest pixel.
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
from torch.nn.functional import grid_sample

from manako.data.randomness import Draws
from manako.data.transforms.geometry import kept_boxes
from manako.data.transforms.ranges import check_number, check_range
from manako.errors import UsageError
from manako.structures import IGNORE, BoxTargets, MaskTarget, Sample, Target

Fill = Literal["zero", "reflect", "edge"]
FILLS: tuple[Fill, ...] = ("zero", "reflect", "edge")

_PADDING = {"zero": "zeros", "reflect": "reflection", "edge": "border"}


@dataclass(frozen=True)
class Affine:
    """Where a point goes: x to xx * x + xy * y + dx, and y to yx * x + yy * y + dy.

    >>> Affine(0, -1, 8, 1, 0, 0).point(2, 3)
    (5, 2)
    """

    xx: float
    xy: float
    dx: float
    yx: float
    yy: float
    dy: float

    @classmethod
    def about(
        cls,
        centre_xy: tuple[float, float],
        *,
        rotate_degrees: float = 0.0,
        shear_degrees: tuple[float, float] = (0.0, 0.0),
        scale_xy: tuple[float, float] = (1.0, 1.0),
        shift_xy: tuple[float, float] = (0.0, 0.0),
    ) -> Affine:
        """Scaled, then slanted along x, along y, then turned clockwise about `centre_xy`; shifted.

        The angles mean what they mean in torchvision's `affine`: a shear moves what lies below
        the centre to the left, and what lies to its right upwards.
        """
        turn = math.radians(rotate_degrees)
        slant_x, slant_y = (math.tan(math.radians(angle)) for angle in shear_degrees)
        sine, cosine = math.sin(turn), math.cos(turn)
        # turn @ [[1, 0], [-slant_y, 1]] @ [[1, -slant_x], [0, 1]] @ scale
        xx, yx = cosine + sine * slant_y, sine - cosine * slant_y
        xy, yy = -xx * slant_x - sine, -yx * slant_x + cosine
        xx, yx, xy, yy = xx * scale_xy[0], yx * scale_xy[0], xy * scale_xy[1], yy * scale_xy[1]
        (x, y), (right, down) = centre_xy, shift_xy
        dx, dy = x + right - xx * x - xy * y, y + down - yx * x - yy * y
        return cls(xx, xy, dx, yx, yy, dy)

    @property
    def inverse(self) -> Affine:
        """The way back."""
        area = self.xx * self.yy - self.xy * self.yx
        xx, xy, yx, yy = self.yy / area, -self.xy / area, -self.yx / area, self.xx / area
        dx, dy = -xx * self.dx - xy * self.dy, -yx * self.dx - yy * self.dy
        return Affine(xx, xy, dx, yx, yy, dy)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where (x, y) goes."""
        return self.xx * x + self.xy * y + self.dx, self.yx * x + self.yy * y + self.dy

    def boxes(self, boxes_xyxy: Tensor) -> Tensor:
        """The upright boxes [N, 4] around the moved corners of `boxes_xyxy` [N, 4]."""
        corners = boxes_xyxy[:, [0, 1, 2, 1, 0, 3, 2, 3]].view(-1, 4, 2)
        linear = boxes_xyxy.new_tensor([[self.xx, self.yx], [self.xy, self.yy]])
        moved = corners @ linear + boxes_xyxy.new_tensor([self.dx, self.dy])
        return torch.cat([moved.amin(dim=1), moved.amax(dim=1)], dim=1)


IDENTITY = Affine(1, 0, 0, 0, 1, 0)


def moved(sample: Sample, move: Affine, fill: Fill = "zero") -> Sample:
    """The sample with each point where `move` takes it, at its own size.

    What comes in from outside is black ("zero"), the picture mirrored at its outermost pixels
    ("reflect"), or those pixels continued ("edge"); in a mask it is always `IGNORE`. A box becomes
    the upright box around its moved corners, kept and clipped as by a crop.
    """
    if move == IDENTITY:
        return sample
    back = move.inverse
    target: Target | None = sample.target
    if isinstance(target, MaskTarget):
        target = MaskTarget(_moved_mask(target.mask, back))
    elif isinstance(target, BoxTargets):
        boxes = target.with_boxes(move.boxes(target.boxes_xyxy))
        target = kept_boxes(boxes, sample.size_hw)
    grid = _sources(back, sample.size_hw, between_centres=fill == "reflect")
    levels = grid_sample(
        sample.image[None].to(torch.float32),
        grid,
        mode="bilinear",
        padding_mode=_PADDING[fill],
        align_corners=fill == "reflect",
    )[0]
    return Sample(levels.round_().to(torch.uint8), target, sample.name)


@dataclass(frozen=True)
class RandomAffine:
    """The picture turned, scaled, stretched, slanted and shifted at random, about its centre.

    `rotate_degrees` and `shear_degrees` are drawn from minus to plus the number, `scale` from its
    range for both axes together, `stretch` from its range for each axis by itself, `shift` from
    minus to plus that share of the side, for each axis. The shear is along x, as handwriting
    slants. `fill` is that of `moved`.
    """

    draws: ClassVar[int] = 7
    rotate_degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    stretch: tuple[float, float] = (1.0, 1.0)
    shear_degrees: float = 0.0
    shift: float = 0.0
    fill: Fill = "zero"

    def __post_init__(self) -> None:
        check_number("rotation", self.rotate_degrees, 0, 180)
        check_number("shear", self.shear_degrees, 0, 60)
        check_number("shift", self.shift, 0, 1)
        check_range("scale", self.scale)
        check_range("stretch", self.stretch)
        if self.fill not in FILLS:
            known = " or ".join(map(repr, FILLS))
            raise UsageError(f"fill {self.fill!r} is not known", expected=known)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes seven numbers: turn, scale, stretch of height and width, shear, shifts y and x."""
        height, width = sample.size_hw
        turn = draws.uniform(-self.rotate_degrees, self.rotate_degrees)
        scale = draws.uniform(*self.scale)
        scale_y, scale_x = (scale * draws.uniform(*self.stretch) for _ in range(2))
        shear = draws.uniform(-self.shear_degrees, self.shear_degrees)
        down, right = (side * draws.uniform(-self.shift, self.shift) for side in (height, width))
        move = Affine.about(
            (width / 2, height / 2),
            rotate_degrees=turn,
            shear_degrees=(shear, 0.0),
            scale_xy=(scale_x, scale_y),
            shift_xy=(right, down),
        )
        return moved(sample, move, self.fill)


def _moved_mask(mask: Tensor, back: Affine) -> Tensor:
    grid = _sources(back, (mask.shape[0], mask.shape[1]), between_centres=False)
    # Outside, grid_sample gives 0: there, what is counted from IGNORE downwards becomes IGNORE.
    below = mask[None, None].to(torch.float32).sub_(IGNORE)
    seen = grid_sample(below, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return seen[0, 0].add_(IGNORE).to(torch.uint8)


def _sources(back: Affine, size_hw: tuple[int, int], *, between_centres: bool) -> Tensor:
    """Where each pixel of the result looks, as `grid_sample` wants it [1, H, W, 2].

    There -1 and 1 are the outer edges of the picture, or the centres of the outermost pixels if
    `between_centres` (a reflection then does not repeat those).
    """
    height, width = size_hw
    inset = 0.5 if between_centres else 0.0
    per_x, per_y = (2 / max(side - 2 * inset, 1) for side in (width, height))
    x, y = _centres(width), _centres(height)[:, None]
    # By NumPy and line by line: a matrix product with each pixel's (x, y, 1) takes five times as
    # long on a photo.
    sources = np.empty((1, height, width, 2), dtype=np.float32)
    for axis, (by_x, by_y, start), per in (
        (0, (back.xx, back.xy, back.dx), per_x),
        (1, (back.yx, back.yy, back.dy), per_y),
    ):
        along_y = y * (by_y * per) + ((start - inset) * per - 1)
        np.add(x * (by_x * per), along_y, out=sources[0, :, :, axis])
    return torch.from_numpy(sources)


@lru_cache(maxsize=32)
def _centres(count: int) -> NDArray[np.float32]:
    """Where the pixels of a line have their centres [count]."""
    centres: NDArray[np.float32] = np.arange(count, dtype=np.float32) + np.float32(0.5)
    centres.setflags(write=False)
    return centres
