"""Ranges that random numbers are drawn from, checked."""

from __future__ import annotations

import math

from manako.errors import UsageError


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse, with a UsageError, a number that is not from `low` to `high`."""
    if not low <= value <= high:
        top = "or more" if math.isinf(high) else f"to {high:g}"
        raise UsageError(f"{name} {value:g} cannot be used", expected=f"{low:g} {top}")


def check_range(name: str, values: tuple[float, float], highest: float = math.inf) -> None:
    """Refuse, with a UsageError, what is not two numbers above 0, the smaller first."""
    low, high = values
    if not 0 < low <= high <= highest or math.isinf(high):
        top = "" if math.isinf(highest) else f", at most {highest:g}"
        raise UsageError(
            f"{name} {low:g} to {high:g} cannot be used",
            expected=f"two numbers above 0{top}, the smaller first",
        )
