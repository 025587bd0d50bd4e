"""Pooling maps of any size into a fixed number of bins.

Bin i of n along a side of L cells goes from floor(i L / n) up to ceil((i + 1) L / n), so that
bins cover the side, overlap where L is not a multiple of n, and repeat cells where L is less than
n (He et al. 2014, https://arxiv.org/abs/1406.4729, appendix A, "Implementation of Pooling Bins").
That is also the rule of torch's adaptive pooling. Those layers are not used, for their gradients
on CUDA are added up in any order, which deterministic training refuses.

Shapes: maps [B, C, H, W].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from manako.errors import UsageError


def bins(length: int, count: int) -> list[slice]:
    """The bins of a side of `length` cells.

    >>> [(one.start, one.stop) for one in bins(13, 3)]
    [(0, 5), (4, 9), (8, 13)]
    """
    return [slice(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


class MeanBins(nn.Module):
    """The mean of each of `count` x `count` bins: [B, C, H, W] -> [B, C, count, count].

    Raises UsageError for fewer than one.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = _checked(count)

    def forward(self, maps: Tensor) -> Tensor:
        """The means."""
        return pooled(maps, partial(bins, count=self.count), torch.mean)

    def extra_repr(self) -> str:
        """The number of bins, when the network is printed."""
        return f"count={self.count}"


class SpatialPyramidPooling(nn.Module):
    """The maximum of each bin of each level of a pyramid, as one row (section 2.2).

    A level n has n x n bins; for `levels` (1, 2, 4) a map becomes 1 + 4 + 16 values. Level after
    level, and in it channel after channel: [B, C, H, W] -> [B, C * values]. Raises UsageError for
    no level, and for one below 1.

    While training the paper pools with windows of ceil(a / n) cells every floor(a / n), for maps
    of a x a cells (section 2.3). These are the same bins for a = 13, its maps, and n = 1, 2, 3, 6;
    for a = 10 and n = 6 there would be nine windows, not six.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels:
            raise UsageError("a pyramid needs a level", expected="numbers of bins, such as 1, 2, 4")
        self.levels = tuple(_checked(count) for count in levels)

    @property
    def values(self) -> int:
        """The number of values for each channel."""
        return sum(count**2 for count in self.levels)

    def forward(self, maps: Tensor) -> Tensor:
        """The maxima."""
        return torch.cat(
            [
                pooled(maps, partial(bins, count=count), _maximum).flatten(1)
                for count in self.levels
            ],
            1,
        )

    def extra_repr(self) -> str:
        """The levels, when the network is printed."""
        return f"levels={self.levels}"


def pooled(
    maps: Tensor,
    spans: Callable[[int], Sequence[slice]],
    reduce: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """Mean or maximum of the rectangles that `spans` cut out of sides of such lengths.

    Means and maxima of rectangles are those of columns of those of rows.
    """
    for side in range(2, maps.ndim):
        length = maps.shape[side]
        cut = spans(length)
        if len(cut) != length or any(one.stop - one.start > 1 for one in cut):
            parts = [maps.narrow(side, one.start, one.stop - one.start) for one in cut]
            maps = torch.stack([reduce(part, side) for part in parts], side)
    return maps


def _maximum(maps: Tensor, side: int) -> Tensor:
    """The gradient goes to one of several equal maxima, as in max-pooling."""
    return maps.max(side).values


def _checked(count: int) -> int:
    if count < 1:
        raise UsageError(f"a side cannot be cut into {count} bins", expected="1 or more")
    return count
