"""Logits to probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from manako.decoders.finite import expect_finite
from manako.errors import ShapeError
from manako.structures import ClassPrediction


def probabilities(logits: Tensor) -> list[ClassPrediction]:
    """The softmax of logits [B, K], picture by picture, in float32.

    Raises:
        ShapeError: logits of another shape.
        NumericError: logits that are not finite.

    >>> probabilities(torch.tensor([[0.0, 0.0]]))[0].probabilities
    tensor([0.5000, 0.5000])
    """
    if logits.ndim != 2:
        raise ShapeError(f"logits must have shape (B, K), not {tuple(logits.shape)}")
    rows = torch.softmax(expect_finite(logits, "logits"), dim=1).cpu()
    return [ClassPrediction(row) for row in rows]
