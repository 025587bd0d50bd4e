"""Sums and logarithms of a loss need more digits than a network does."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(raw: Tensor) -> Tensor:
    """`raw` as float32, or as it is where it is float64.

    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return raw if raw.dtype == torch.float64 else raw.float()
