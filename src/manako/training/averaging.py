"""An exponential moving average of the weights: often a better network than the last one."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """A second network whose parameters and norm statistics follow those of the trained one.

    After update n they move by 1 - d towards the trained ones, d = min(decay, (1 + n) / (10 + n)),
    so that the start of a run is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow `model` after one step of its optimizer."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        theirs = model.state_dict()
        averaged, current = [], []
        for name, mine in self.model.state_dict().items():
            if mine.is_floating_point():
                averaged.append(mine)
                current.append(theirs[name])
            else:
                mine.copy_(theirs[name])
        torch._foreach_lerp_(averaged, current, 1 - decay)
