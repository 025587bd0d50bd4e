"""Dropout: https://jmlr.org/papers/v15/srivastava14a.html (Srivastava et al. 2014)."""

from __future__ import annotations

from torch import nn

from manako.errors import UsageError


class Dropout(nn.Dropout):
    """torch's, for a share of the values that can be: while training, each is left out by chance.

    Raises UsageError for a share outside [0, 1); with 1 nothing would be left to learn from.
    """

    def __init__(self, share: float) -> None:
        if not 0 <= share < 1:
            raise UsageError(f"dropout must be 0 or more and below 1, not {share}")
        super().__init__(share)
