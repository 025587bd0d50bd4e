"""Whether probabilities can be taken at their word: the expected calibration error.

Naeini et al. 2015 (AAAI, "Obtaining well calibrated probabilities using Bayesian binning"), as in
Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2, equation 3: answers are sorted by
confidence into 15 bins of equal width, (0, 1/15], (1/15, 2/15] …; the error is the mean over all
answers of the distance between the mean confidence and the accuracy of their bin. Another number
of bins gives another error, and with few answers it is never quite 0.

Shapes: R draws, N pictures, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manako.metrics.bootstrap import Counts, Values, ratio
from manako.structures import ReliabilityBin

BINS = 15
EDGES = np.linspace(0, 1, BINS + 1)


@dataclass(frozen=True)
class Answers:
    """Answers by pictures: the `bins` [M] of their confidence, how sure each is, whether right.

    `pictures` [M] in 0..N-1 says whose each answer is; `confidence` and `right` are [M].
    """

    bins: NDArray[np.int64]
    pictures: NDArray[np.int64]
    confidence: Values
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Answers:
        """The answers whose `confidence` and `right` are [N], or [N, K] for K of each picture."""
        count = confidence.size // max(1, len(confidence))
        flat = confidence.reshape(-1).astype(np.float64)
        bins = np.searchsorted(EDGES, flat, side="left") - 1
        return cls(
            bins=bins.clip(0, BINS - 1),
            pictures=np.repeat(np.arange(len(confidence)), count),
            confidence=flat,
            right=right.reshape(-1),
        )

    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """The bins that are not empty."""
        count = np.bincount(self.bins, minlength=BINS)
        sure = np.bincount(self.bins, self.confidence, BINS)
        hits = np.bincount(self.bins, self.right, BINS)
        return tuple(
            ReliabilityBin(
                low=float(EDGES[one]),
                high=float(EDGES[one + 1]),
                pictures=int(count[one]),
                confidence=float(sure[one] / count[one]),
                accuracy=float(hits[one] / count[one]),
            )
            for one in np.flatnonzero(count)
        )

    def gaps(self, pictures: int) -> Values:
        """By how much the answers of each of `pictures` are too modest, by bins: [N, B]."""
        places = self.pictures * BINS + self.bins
        sums = np.bincount(places, self.right - self.confidence, pictures * BINS)
        return sums.astype(np.float64).reshape(pictures, BINS)


def calibration_errors(gaps: Values, answers: int, counts: Counts) -> Values:
    """The error [R] where picture n counts `counts[r, n]` times and has `answers` answers.

    >>> confidence = np.array([0.95, 0.95, 0.85, 0.6, 0.6, 0.55, 1.0, 1.0])
    >>> right = np.array([1, 1, 1, 1, 0, 0, 1, 0], dtype=bool)
    >>> gaps = Answers.of(confidence, right).gaps(8)
    >>> calibration_errors(gaps, 1, np.ones((1, 8), dtype=np.int64)).round(9)
    array([0.225])
    """
    # Not a matrix product: its last bits depend on the number of processors.
    sums = np.einsum("rn,nb->rb", counts.astype(np.float64), gaps)
    return ratio(np.abs(sums).sum(axis=1), answers * counts.sum(axis=1))
