"""The places of maps, of however many dimensions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def mean_of_places(maps: Tensor, *, keep: bool = False) -> Tensor:
    """The mean of each map: [B, C, *size] -> [B, C], or [B, C, 1, ...] with `keep`.

    >>> import torch
    >>> mean_of_places(torch.arange(8.0).reshape(1, 2, 2, 2))
    tensor([[1.5000, 5.5000]])
    """
    return maps.mean(tuple(range(2, maps.ndim)), keepdim=keep)


def every_nth(maps: Tensor, stride: int, zeros: tuple[int, int]) -> Tensor:
    """Every `stride`-th place, and so many channels of zeros before and after the others.

    >>> import torch
    >>> every_nth(torch.ones(1, 1, 4, 4), 2, (1, 0))
    tensor([[[[0., 0.],
              [0., 0.]],
             [[1., 1.],
              [1., 1.]]]])
    """
    every = slice(None, None, stride)
    places: tuple[slice, ...] = (slice(None), slice(None), *(every,) * (maps.ndim - 2))
    return functional.pad(maps[places], (*(0, 0) * (maps.ndim - 2), *zeros))
