"""Logits to probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from manako.decoders.finite import expect_finite
from manako.errors import ShapeError, UsageError
from manako.structures import ClassPrediction


def probabilities(logits: Tensor, *, temperature: float = 1.0) -> list[ClassPrediction]:
    """The softmax of logits [B, K] divided by `temperature`, picture by picture, in float32.

    A temperature above 1 makes answers less sure, one below 1 surer (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, equation 9). The most probable class is that of the largest
    logit, at every temperature: where rounding has made it equal to another one, its probability
    is raised by the least step.

    Raises:
        ShapeError: logits of another shape.
        NumericError: logits that are not finite.
        UsageError: a temperature that is not positive.

    >>> probabilities(torch.tensor([[0.0, 0.0]]))[0].probabilities
    tensor([0.5000, 0.5000])
    """
    if logits.ndim != 2:
        raise ShapeError(f"logits must have shape (B, K), not {tuple(logits.shape)}")
    logits = expect_finite(logits, "logits")
    # From the largest down, so that a small temperature cannot bring forth an infinite number.
    below_best = logits - logits.amax(dim=1, keepdim=True)
    rows = torch.softmax(below_best / expect_temperature(temperature), dim=1).cpu()
    best = logits.cpu().argmax(dim=1)
    for row in torch.nonzero(rows.argmax(dim=1) != best).flatten().tolist():
        value = rows[row, best[row]]
        rows[row, best[row]] = torch.nextafter(value, value.new_tensor(torch.inf))
    return [ClassPrediction(row) for row in rows]


def expect_temperature(temperature: float) -> float:
    """The same number, known to be one that logits can be divided by."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"a temperature of {temperature}", expected="a positive number")
    return temperature
