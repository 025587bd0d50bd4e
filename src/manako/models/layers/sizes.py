"""Refusing pictures that a network cannot use."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from manako.errors import ShapeError


def refuse_small(network: str, images: Tensor, least_side: int) -> None:
    """Raise ShapeError where a side of `images` [B, C, *size] is less than `least_side`.

    >>> import torch
    >>> refuse_small("this ResNet", torch.zeros(1, 3, 40, 31), 32)
    Traceback (most recent call last):
    manako.errors.ShapeError: this ResNet cannot take pictures of 40 x 31 pixels
      expected: at least 32 x 32
      fix     : enlarge them, to 40 x 32 for example, or choose a network for smaller pictures
    """
    sides = images.shape[2:]
    if min(sides) < least_side:
        what = {1: "signals", 2: "pictures"}.get(len(sides), "volumes")
        unit = {1: "values", 2: "pixels"}.get(len(sides), "voxels")
        enlarged = _times(max(side, least_side) for side in sides)
        raise ShapeError(
            f"{network} cannot take {what} of {_times(sides)} {unit}",
            expected=f"at least {_times([least_side] * len(sides))}",
            fix=f"enlarge them, to {enlarged} for example, or choose a network for smaller {what}",
        )


def _times(sides: Iterable[int]) -> str:
    return " x ".join(map(str, sides))


def refuse_uneven(network: str, images: Tensor, multiple: int) -> None:
    """Raise ShapeError where height or width of `images` [B, C, H, W] is no multiple, or nothing.

    >>> import torch
    >>> refuse_uneven("this U-Net", torch.zeros(1, 3, 16, 30), 8)
    Traceback (most recent call last):
    manako.errors.ShapeError: this U-Net cannot take pictures of 16 x 30 pixels
      expected: height and width that are multiples of 8
      fix     : resize or pad them, to 16 x 32 for example
    """
    height, width = images.shape[-2:]
    if height % multiple or width % multiple or not height or not width:
        up_h, up_w = (max(1, -(-side // multiple)) * multiple for side in (height, width))
        raise ShapeError(
            f"{network} cannot take pictures of {height} x {width} pixels",
            expected=f"height and width that are multiples of {multiple}",
            fix=f"resize or pad them, to {up_h} x {up_w} for example",
        )
