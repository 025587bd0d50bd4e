"""Gradients by finite differences: slow, simple, and right, and so the judge of all others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manako.errors import UsageError
from manako.textbook.windows import Array


def numerical_gradient(
    function: Callable[[], float | np.floating], x: Array, *, step: float = 1e-5
) -> Array:
    """(f(x + h) - f(x - h)) / 2h for each element of `x`, which `function` reads.

    `x` must be float64: rounding in float32 drowns the difference. It is changed and put back.

    >>> x = np.array([1.0, 2.0])
    >>> numerical_gradient(lambda: (x**2).sum(), x).round(6)
    array([2., 4.])
    """
    if x.dtype != np.float64:
        raise UsageError(f"differences in {x.dtype}", expected="float64")
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        before = x[place]
        x[place] = before + step
        above = float(function())
        x[place] = before - step
        below = float(function())
        x[place] = before
        gradient[place] = (above - below) / (2 * step)
    return gradient
