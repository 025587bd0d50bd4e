"""Stochastic depth: https://arxiv.org/abs/1603.09382 (Huang et al., ECCV 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manako.errors import UsageError


class StochasticDepth(nn.Module):
    """Leaves out the branch of a residual block, for each picture by a coin of its own.

    [B, ...] -> [B, ...]. With probability `rate` a picture's values become zero while training;
    the others are divided by `1 - rate`, so that the mean stays, and evaluation is the identity.
    (The paper throws one coin for all pictures of a batch, and scales in evaluation instead,
    section 3; this is what the codes of later networks do.) Raises UsageError for a rate outside
    [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise UsageError(
                f"stochastic depth cannot have the rate {rate}", expected="0 <= rate < 1"
            )
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """`branch`, or in training some pictures of it."""
        if not self.training or self.rate == 0:
            return branch
        shape = (len(branch), *(1,) * (branch.ndim - 1))
        kept = torch.full(shape, 1 - self.rate, dtype=branch.dtype, device=branch.device)
        return branch * (kept.bernoulli() / (1 - self.rate))

    def extra_repr(self) -> str:
        """The rate, when the network is printed."""
        return f"rate={self.rate}"


def rising_rates(last: float, blocks: int) -> list[float]:
    """The rates of a network's blocks, from 0 to `last` in equal steps.

    The paper's "linear decay" (section 3) begins one step above 0; later networks begin at 0.

    >>> rising_rates(0.2, 3)
    [0.0, 0.1, 0.2]
    """
    return [last * block / max(blocks - 1, 1) for block in range(blocks)]
