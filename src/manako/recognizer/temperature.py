"""Temperature scaling: one number that makes probabilities mean what they say.

Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 4.2: logits are divided by a temperature
T, which is chosen so that the likelihood of pictures that were not learned from is largest. No
answer changes, only how sure it is. In 1 / T the negative log-likelihood is convex, so that its
least value is found by Newton steps between two bounds, in float64.

Shapes: N pictures, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from manako.errors import DataError, NumericError, ShapeError

COLDEST, HOTTEST = 0.05, 20.0
BLOCK_ELEMENTS = 2**20
"""Logits looked at in one go (8 MiB)."""

_STEPS = 100
_PRECISION = 1e-9

Values = NDArray[np.float64]
Slopes = Callable[[float], tuple[float, float]]
"""1 / T -> the first and the second derivative of the negative log-likelihood by it."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature from 0.05 to 20 at which the softmax of `logits` explains `labels` best.

    Args:
        logits: [N, K], N at least 1.
        labels: [N] int64, the true classes.

    Returns 1 where no temperature is better than another. Errors: `ShapeError`, `DataError` for a
    label beyond the classes, `NumericError` for logits that are not finite.

    >>> import torch
    >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> round(fit_temperature(logits, torch.tensor([0, 0, 1, 1])), 3)  # sure, three times in four
    3.641
    """
    values, truth = _checked(logits), labels.cpu().numpy()
    if truth.shape != (len(values),):
        raise ShapeError(f"{len(values)} rows of logits came with labels of shape {truth.shape}")
    if truth.min() < 0 or truth.max() >= values.shape[1]:
        raise DataError(f"labels from {truth.min()} to {truth.max()} for {values.shape[1]} classes")
    # A constant for each picture changes no probability, and keeps exponentials in range.
    values = values - values.max(axis=1, keepdims=True)

    def slopes(inverse: float) -> tuple[float, float]:
        slope, curvature = 0.0, 0.0
        for rows in _blocks(values.shape):
            part = values[rows]
            shares = np.exp(inverse * part)
            shares /= shares.sum(axis=1, keepdims=True)
            mean = (shares * part).sum(axis=1)
            slope += float((mean - part[np.arange(len(part)), truth[rows]]).sum())
            curvature += float(((shares * part**2).sum(axis=1) - mean**2).sum())
        return slope, curvature

    return 1 / _least(slopes)


def fit_label_temperature(logits: Tensor, shown: Tensor) -> float:
    """The temperature from 0.05 to 20 at which the sigmoid of `logits` explains `shown` best.

    Args:
        logits: [N, K], N at least 1.
        shown: [N, K] bool, whether a picture shows a class.

    Otherwise as `fit_temperature`.
    """
    values, truth = _checked(logits), shown.cpu().numpy()
    if truth.shape != values.shape:
        raise ShapeError(f"logits of shape {values.shape} came with labels of {truth.shape}")

    def slopes(inverse: float) -> tuple[float, float]:
        slope, curvature = 0.0, 0.0
        for rows in _blocks(values.shape):
            part = values[rows]
            shares = 0.5 + 0.5 * np.tanh(0.5 * inverse * part)  # the sigmoid; never overflows
            slope += float((part * (shares - truth[rows])).sum())
            curvature += float((part**2 * shares * (1 - shares)).sum())
        return slope, curvature

    return 1 / _least(slopes)


def _checked(logits: Tensor) -> Values:
    if logits.ndim != 2 or 0 in logits.shape:
        raise ShapeError(f"logits must have shape (N, K), not {tuple(logits.shape)}")
    values: Values = logits.detach().cpu().double().numpy()
    if not np.isfinite(values).all():
        raise NumericError("logits are not all finite numbers")
    return values


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    rows = max(1, BLOCK_ELEMENTS // shape[1])
    return [slice(first, first + rows) for first in range(0, shape[0], rows)]


def _least(slopes: Slopes) -> float:
    """1 / T where a convex function of it is least; 1 where it is flat there."""
    low, high, here = 1 / HOTTEST, 1 / COLDEST, 1.0
    if slopes(here)[0] == 0:
        return here
    if slopes(low)[0] >= 0:
        return low
    if slopes(high)[0] <= 0:
        return high
    for _ in range(_STEPS):
        slope, curvature = slopes(here)
        low, high = (low, here) if slope > 0 else (here, high)
        newton = here - slope / curvature if curvature > 0 else math.nan
        following = newton if low < newton < high else math.sqrt(low * high)
        if abs(following - here) <= _PRECISION * here:
            return following
        here = following
    return here
