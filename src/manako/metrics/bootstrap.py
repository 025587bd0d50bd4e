"""How far a score can be believed: the percentile bootstrap over pictures.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3. The same number of
pictures is drawn anew from those at hand, with replacement, many times; the middle 95 % of the
scores of these draws are the interval. A draw is written as how often each picture comes in it
(multinomial counts), so that one statistic serves the pictures at hand (each once) and the draws.
Pictures that are alike to a statistic may be counted as one group: the distribution is the same.

Limits: a score that is the same for every picture, such as an accuracy of exactly 1, has an
interval of no width; with fewer than some 20 pictures intervals are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from manako.console.progress import track
from manako.structures import Score

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Statistic = Callable[[Counts], Values]
"""Counts [R, G] of G groups in R draws -> S scores [R, S] of each draw, NaN where undefined."""

RESAMPLES = 1000
COVERAGE = 0.95
BLOCK_ELEMENTS = 2**21
"""Counts drawn at a time (16 MiB)."""


def estimate(
    statistic: Statistic,
    sizes: Counts,
    *,
    intervals: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Score | None]:
    """The S scores that `statistic` gives, with their intervals.

    `sizes` [G] is how many pictures each group has. A score that is undefined (NaN) for the
    pictures at hand is None. Draws in which a score is undefined do not enter its interval; where
    that is all of them, it has none. An interval always holds its value (for statistics that are
    not a mean the bare percentiles may miss it). The same input and seed give the same intervals.

    >>> def share(counts):
    ...     return counts[:, :1] / counts.sum(axis=1, keepdims=True)
    >>> print(estimate(share, np.array([80, 20]))[0])
    0.800 (95 %: 0.710 to 0.880)
    """
    values = statistic(sizes[None])[0]
    if not intervals:
        return [Score(float(value)) if np.isfinite(value) else None for value in values]
    blocks = []
    with track("finding intervals", total=resamples, unit="draws") as bar:
        for counts in draws(sizes, resamples, seed):
            blocks.append(statistic(counts))
            bar.advance(len(counts))
    drawn = np.concatenate(blocks)
    return [_score(value, column) for value, column in zip(values, drawn.T, strict=True)]


def draws(sizes: Counts, resamples: int, seed: int) -> Iterator[Counts]:
    """Blocks [r, G] of draws, `resamples` rows in all: how often each group comes in each."""
    generator = np.random.Generator(np.random.Philox(seed))
    total = int(sizes.sum())
    block = max(1, BLOCK_ELEMENTS // len(sizes))
    for first in range(0, resamples, block):
        rows = min(block, resamples - first)
        yield generator.multinomial(total, sizes / total, size=rows)


def _score(value: float, drawn: Values) -> Score | None:
    if not np.isfinite(value):
        return None
    known = drawn[np.isfinite(drawn)]
    if len(known) == 0:
        return Score(float(value))
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return Score(float(value), float(min(low, value)), float(max(high, value)))


def ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Values:
    """part / whole as float64, NaN where the whole is 0.

    >>> ratio(np.array([1, 0]), np.array([2, 0]))
    array([0.5, nan])
    """
    result = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result


def mean_known(values: Values) -> Values:
    """The mean of each row of [R, S] over the entries that are not NaN, as a column [R, 1].

    >>> mean_known(np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan]]))
    array([[1.5],
           [nan]])
    """
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))[:, None]
