"""Scores of a classifier.

With TP, FP and FN of one class against the rest: precision = TP / (TP + FP), 0 for a class that is
never predicted; recall = TP / (TP + FN); F1 = 2 TP / (2 TP + FP + FN). A class without a picture
has none of the three and is left out of the macro means, also inside the bootstrap; what was
wrongly taken for it shows in the recall of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from manako.errors import DataError, NumericError, ShapeError
from manako.metrics.bootstrap import Counts, Values, estimate, mean_known, ratio
from manako.metrics.protocol import expect_classes, expect_pairs
from manako.structures import ClassPrediction, ClassTarget, Prediction, Scores, Target

TOP = 5


class ClassificationMetric:
    """Accuracy (the headline), top-5 accuracy, macro and per-class precision, recall and F1.

    "top5_accuracy" is given for more than five classes. Of equal probabilities the lower class
    ranks first, as in `ClassPrediction.label`.

    >>> metric = ClassificationMetric(["cat", "dog"])
    >>> metric.update([ClassPrediction(torch.tensor([0.9, 0.1]))], [ClassTarget(0)])
    >>> metric.scores(intervals=False).main.value
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = expect_classes(classes)
        self._truth: list[int] = []
        self._predicted: list[int] = []
        self._in_top: list[bool] = []
        self._errors: list[float] = []

    def update(self, predictions: Sequence[Prediction], targets: Sequence[Target | None]) -> None:
        """Take in `ClassPrediction`s of K probabilities and their `ClassTarget`s.

        Raises:
            DataError: a picture without truth, or of a class beyond the names.
            NumericError: a probability that is not finite.
            ShapeError, UsageError: predictions or targets of another shape or kind.
        """
        pairs = expect_pairs(predictions, targets, ClassPrediction, ClassTarget)
        if not pairs:
            return
        known = len(self._classes)
        for prediction, truth in pairs:
            if prediction.probabilities.shape != (known,):
                raise ShapeError(
                    f"{len(prediction.probabilities)} probabilities for {known} classes"
                )
            if truth.label >= known:
                raise DataError(f"a picture of class {truth.label}, but only {known} class names")
        rows = torch.stack([prediction.probabilities for prediction, _ in pairs])
        probabilities = rows.detach().cpu().double().numpy()
        if not np.isfinite(probabilities).all():
            raise NumericError("a predicted probability is not a finite number")
        self._take(probabilities, np.array([truth.label for _, truth in pairs]))

    def _take(self, probabilities: Values, truth: NDArray[np.int64]) -> None:
        mine = probabilities[np.arange(len(truth)), truth][:, None]
        surer = (probabilities > mine).sum(axis=1)
        equal_before = np.arange(len(self._classes)) < truth[:, None]
        rank = surer + ((probabilities == mine) & equal_before).sum(axis=1)
        self._truth += truth.tolist()
        self._predicted += probabilities.argmax(axis=1).tolist()
        self._in_top += (rank < TOP).tolist()
        self._errors += np.where(rank == 0, 0, 1 - mine[:, 0]).clip(0, 1).tolist()

    def picture_errors(self) -> list[float]:
        """0 for a picture whose class is right, else 1 - the probability of its true class."""
        return list(self._errors)

    def scores(self, intervals: bool = True) -> Scores:
        """All scores so far.

        Raises:
            DataError: no pictures.
        """
        if not self._truth:
            raise DataError("no pictures to score", fix="check that the split is not empty")
        # Pictures of one truth, one prediction and one rank are alike to every score.
        alike = np.stack([self._truth, self._predicted, self._in_top], axis=1).astype(np.int64)
        groups, sizes = np.unique(alike, axis=0, return_counts=True)
        classes = len(self._classes)

        def statistic(counts: Counts) -> Values:
            return _scores_of(counts, groups, classes)

        found = estimate(statistic, sizes.astype(np.int64), intervals=intervals)
        names = ["accuracy", "top5_accuracy", "macro_precision", "macro_recall", "macro_f1"]
        overall = {
            key: score for key, score in zip(names, found, strict=False) if score is not None
        }
        if classes <= TOP:
            del overall["top5_accuracy"]
        own = [found[len(names) + part * classes :][:classes] for part in range(3)]
        per_class = {
            name: {"precision": precision, "recall": recall, "f1": f1}
            for name, precision, recall, f1 in zip(self._classes, *own, strict=True)
            if precision is not None and recall is not None and f1 is not None
        }
        confusion = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(confusion, (alike[:, 0], alike[:, 1]), 1)
        rows = tuple(tuple(row) for row in confusion.tolist())
        return Scores("accuracy", overall, per_class, rows, len(self._truth))


def _scores_of(counts: Counts, groups: NDArray[np.int64], classes: int) -> Values:
    """[R, 5 + 3 K]: the overall scores, then precision, recall and F1 of each class.

    `groups` [G, 3]: truth, prediction and whether the truth is among the top five.
    """
    truth, predicted, in_top = groups.T
    right = truth == predicted
    total = counts.sum(axis=1)
    asked = _sum_by(counts, truth, classes)
    said = _sum_by(counts, predicted, classes)
    hits = _sum_by(counts * right, truth, classes)
    recall = ratio(hits, asked)
    precision = np.where(asked > 0, np.nan_to_num(ratio(hits, said)), np.nan)
    f1 = np.where(asked > 0, ratio(2 * hits, asked + said), np.nan)
    overall = [
        ratio(hits.sum(axis=1), total)[:, None],
        ratio((counts * in_top).sum(axis=1), total)[:, None],
        *(mean_known(each) for each in (precision, recall, f1)),
    ]
    return np.concatenate([*overall, precision, recall, f1], axis=1)


def _sum_by(counts: Counts, keys: NDArray[np.int64], classes: int) -> Counts:
    """Sums [R, K] of the columns of `counts` [R, G] that have the same key [G] in 0..K-1."""
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    sums = np.zeros((len(counts), classes), dtype=np.int64)
    sums[:, present] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums
