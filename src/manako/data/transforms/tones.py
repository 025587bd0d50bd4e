"""Changes of a picture's levels that are tables: each level 0..255 gets another.

All take and give images uint8 [C, H, W]. The results are those of torchvision's functions of the
same names, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LEVELS = np.arange(256, dtype=np.uint8)


def inverted(image: Tensor) -> Tensor:
    """The negative."""
    return 255 - image


def posterized(image: Tensor, bits: int) -> Tensor:
    """Only the `bits` highest of the eight bits of each level."""
    return image & (0xFF00 >> bits & 0xFF)


def solarized(image: Tensor, threshold: float) -> Tensor:
    """The negative of all levels from `threshold` on."""
    # Bytes throughout, which is ten times faster than `where`: to flip all bits is to invert.
    return image ^ (image >= math.ceil(threshold)).to(torch.uint8).mul_(255)


def autocontrasted(image: Tensor) -> Tensor:
    """Each channel stretched so that its lowest level is 0 and its highest 255."""
    return _by_table(image, _full_range)


def equalized(image: Tensor) -> Tensor:
    """Each channel with levels as evenly frequent as a table can make them.

    The table is Pillow's: a level becomes the number of darker pixels, divided by a 255th of all
    pixels but those of the highest level, in whole numbers.
    """
    return _by_table(image, _even)


def _by_table(image: Tensor, table_of: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Tensor:
    channels = image.numpy()
    return torch.from_numpy(np.stack([table_of(channel)[channel] for channel in channels]))


def _full_range(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low, high = np.float32(channel.min()), np.float32(channel.max())
    if low == high:
        return _LEVELS
    # In float32 and this order, or single levels differ from torchvision's.
    step = (high - low) * np.float32(1 / 255)
    table: NDArray[np.float32] = (_LEVELS.astype(np.float32) - low) / step
    return table.clip(0, 255, out=table).astype(np.uint8)


def _even(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    counts = np.bincount(channel.reshape(-1), minlength=256)
    step = (channel.size - counts[channel.max()]) // 255
    if step == 0:
        return _LEVELS
    darker = np.cumsum(counts) - counts
    table: NDArray[np.int64] = (darker + step // 2) // step
    return table.clip(0, 255, out=table).astype(np.uint8)
