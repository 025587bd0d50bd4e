"""Wider and deeper forms of a network, by factors on its channels and on its blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from manako.errors import UsageError


def scaled_channels(channels: int, factor: float, multiple: int = 8) -> int:
    """The multiple nearest to `channels` * `factor` that is not below 90 % of it.

    As the authors of MobileNet and EfficientNet round. Raises UsageError for a factor of 0 or less.

    >>> scaled_channels(40, 1.1), scaled_channels(24, 1.4), scaled_channels(10, 1.0)
    (48, 32, 16)
    """
    wanted = channels * checked(factor)
    rounded = max(multiple, int(wanted + multiple / 2) // multiple * multiple)
    return rounded if rounded >= 0.9 * wanted else rounded + multiple


def widened(channels: int, factor: float, multiple: int = 8) -> int:
    """`channels` by themselves for a factor of 1, else as `scaled_channels`."""
    return channels if factor == 1 else scaled_channels(channels, factor, multiple)


def deepened(depths: Sequence[int], factor: float) -> tuple[int, ...]:
    """So many times the blocks of each stage, rounded up. Raises UsageError as above.

    >>> deepened((3, 4, 6, 3), 1.2)
    (4, 5, 8, 4)
    """
    factor = checked(factor)
    return tuple(max(1, math.ceil(round(depth * factor, 6))) for depth in depths)


def checked(factor: float) -> float:
    """The factor, if it can be one."""
    if not 0 < factor < math.inf:
        raise UsageError(f"a network cannot be scaled by {factor}", expected="a number above 0")
    return factor
