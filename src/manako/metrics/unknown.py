"""What is gained and lost by answering "unknown" where a recognizer is not sure.

The selective classification of El-Yaniv & Wiener 2010 (JMLR 11), section 2: coverage is the share
of pictures that are answered, and accuracy is taken over these alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manako.errors import DataError
from manako.metrics.bootstrap import Counts, Values, estimate, ratio
from manako.metrics.protocol import expect_pairs
from manako.structures import ClassPrediction, ClassTarget, Prediction, Score, Target


def answered_scores(
    predictions: Sequence[Prediction],
    targets: Sequence[Target | None],
    unknown_below: float,
    *,
    intervals: bool = True,
) -> dict[str, Score]:
    """ "coverage" and "accuracy_answered"; the second is missing where nothing is answered.

    Raises:
        DataError: no pictures, or one without truth.
        UsageError: predictions or targets of another kind.

    >>> import torch
    >>> said = [ClassPrediction(torch.tensor(row)) for row in ([0.9, 0.1], [0.6, 0.4])]
    >>> scores = answered_scores(said, [ClassTarget(0), ClassTarget(1)], 0.8, intervals=False)
    >>> scores["coverage"].value, scores["accuracy_answered"].value
    (0.5, 1.0)
    """
    pairs = expect_pairs(predictions, targets, ClassPrediction, ClassTarget)
    if not pairs:
        raise DataError("no pictures to score", fix="check that the split is not empty")
    answered = [(said, truth) for said, truth in pairs if not said.is_unknown(unknown_below)]
    right = sum(said.label == truth.label for said, truth in answered)
    sizes = np.array([right, len(answered) - right, len(pairs) - len(answered)])
    coverage, accuracy = estimate(_scores_of, sizes, intervals=intervals)
    named = {"coverage": coverage, "accuracy_answered": accuracy}
    return {name: score for name, score in named.items() if score is not None}


def _scores_of(counts: Counts) -> Values:
    """[R, 2] from the counts [R, 3] of pictures answered rightly, wrongly and not at all."""
    answered = counts[:, 0] + counts[:, 1]
    return np.stack([ratio(answered, counts.sum(axis=1)), ratio(counts[:, 0], answered)], axis=1)
