"""How well the probability of one class ranks the pictures that show it above the others.

Area under the ROC curve: the share of pairs of a positive and a negative picture in which the
positive one has the higher score, pairs of equal scores counted half (Hanley & McNeil 1982, the
Wilcoxon statistic; scikit-learn's `roc_auc_score`). Average precision: the sum over the different
scores, the highest first, of the rise in recall times the precision there, not interpolated
(scikit-learn's `average_precision_score`).

Pictures are sorted once. Bootstrap draws only change how often each counts, and only the places
where positives lie have to be looked at: between two of them recall stands still.

Shapes: R draws, N pictures, G different scores that a positive picture has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manako.metrics.bootstrap import RESAMPLES, Counts, Values, ratio

Indices = NDArray[np.int64]

MOST_STEPS = 3 * 10**8
"""Draws times pictures times classes that are gone through: about a second."""
LEAST_RESAMPLES = 100


@dataclass(frozen=True)
class Ranking:
    """The pictures in order of one class's score, and where in it the positive ones lie.

    `order` [N] has the highest score first and `positives` those that show the class, in the same
    order; at `firsts` [G] of them a new score begins. `cuts` are the places in `order` where the
    pictures of a score with positives begin or end, from 0 to N; `starts` and `ends` [G] say which
    of them belong to each score.
    """

    order: Indices
    positives: Indices
    firsts: Indices
    cuts: Indices
    starts: Indices
    ends: Indices


def ranked(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Ranking:
    """The ranking of N pictures by `scores` [N]; those marked `positive` [N] show the class."""
    order = np.argsort(-scores, kind="stable")
    ordered, shown = scores[order], positive[order]
    fresh = np.flatnonzero(np.diff(ordered) != 0) + 1
    starts = np.concatenate([[0], fresh])
    ends = np.concatenate([fresh, [len(scores)]])
    found = np.add.reduceat(shown.astype(np.int64), starts)
    starts, ends, found = starts[found > 0], ends[found > 0], found[found > 0]
    cuts = np.unique(np.concatenate([[0], starts, ends, [len(scores)]]))
    return Ranking(
        order=order,
        positives=order[shown],
        firsts=np.cumsum(found) - found,
        cuts=cuts,
        starts=np.searchsorted(cuts, starts),
        ends=np.searchsorted(cuts, ends),
    )


def roc_areas(ranking: Ranking, weights: Counts) -> Values:
    """The area [R] under the ROC curve where picture n counts `weights[n, r]` times.

    NaN where all pictures are positive, or none is.

    >>> scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    >>> roc_areas(ranked(scores, positive), np.ones((4, 1), dtype=np.int64))
    array([0.875])
    """
    hits, above, reached, total = _at_positives(ranking, weights)
    positives = hits.sum(axis=0)
    # Pictures below, and half of those beside; of positive ones there is half of their square.
    below = (hits * (total - (above + reached) / 2)).sum(axis=0) - positives**2 / 2
    return ratio(below, positives * (total - positives))


def average_precisions(ranking: Ranking, weights: Counts) -> Values:
    """The average precision [R] where picture n counts `weights[n, r]` times.

    NaN where no picture is positive.

    >>> scores, positive = np.array([0.1, 0.35, 0.4, 0.8]), np.array([False, True, False, True])
    >>> average_precisions(ranked(scores, positive), np.ones((4, 1), dtype=np.int64)).round(4)
    array([0.8333])
    """
    hits, _, reached, _ = _at_positives(ranking, weights)
    precision = np.cumsum(hits, axis=0) / np.maximum(reached, 1)
    return ratio((hits * precision).sum(axis=0), hits.sum(axis=0))


def _at_positives(ranking: Ranking, weights: Counts) -> tuple[Values, Values, Values, Values]:
    """For each score that a positive picture has, as [G, R]: how many positive pictures have it,
    how many pictures a higher one, and how many one as high or higher; and all pictures, [R]."""
    draws = weights.shape[1]
    cumulated = np.zeros((len(ranking.cuts), draws))
    parts = np.add.reduceat(weights[ranking.order], ranking.cuts[:-1], axis=0)
    np.cumsum(parts, axis=0, out=cumulated[1:])
    hits = np.zeros((0, draws))
    if len(ranking.positives):
        found = np.add.reduceat(weights[ranking.positives], ranking.firsts, axis=0)
        hits = found.astype(np.float64)
    return hits, cumulated[ranking.starts], cumulated[ranking.ends], cumulated[-1]


def affordable_resamples(pictures: int, classes: int) -> int:
    """How many draws to rank `pictures` for each of `classes`: fewer where it would take minutes.

    >>> affordable_resamples(10_000, 10), affordable_resamples(50_000, 1000)
    (1000, 100)
    """
    return min(RESAMPLES, max(LEAST_RESAMPLES, MOST_STEPS // (pictures * classes)))
