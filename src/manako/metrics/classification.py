"""Scores of a classifier.

With TP, FP and FN of one class against the rest: precision = TP / (TP + FP), 0 for a class that is
never predicted; recall = TP / (TP + FN); F1 = 2 TP / (2 TP + FP + FN). A class without a picture
has none of the three and is left out of the macro means, also inside the bootstrap; what was
wrongly taken for it shows in the recall of the others. Weighted means count each class as often as
it has pictures.

"roc_auc" is the macro mean of the area under the ROC curve of each class against the rest
(`manako.metrics.ranking`), without the classes that no picture or every picture belongs to. "ece"
is the expected calibration error of the top probability (`manako.metrics.calibration`), the one
score of which less is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manako.errors import DataError
from manako.metrics.bootstrap import Counts, Values, estimate, mean_known, ratio
from manako.metrics.calibration import Answers, calibration_errors
from manako.metrics.protocol import expect_classes, expect_finite_rows, expect_pairs
from manako.metrics.ranking import affordable_resamples, ranked, roc_areas
from manako.structures import ClassPrediction, ClassTarget, Prediction, Score, Scores, Target

TOP = 5
_COUNTED = (
    "accuracy",
    "top5_accuracy",
    *(f"{kind}_{name}" for kind in ("macro", "weighted") for name in ("precision", "recall", "f1")),
)


class ClassificationMetric:
    """Accuracy (the headline), top-5 accuracy, precision, recall and F1, ROC area, calibration.

    Precision, recall and F1 are given for each class, as macro and as weighted means.
    "top5_accuracy" is given for more than five classes. Of equal probabilities the lower class
    ranks first, as in `ClassPrediction.label`. The intervals of "roc_auc" and "ece" come from fewer
    draws, 100 at least, where pictures times classes are more than 300,000.

    >>> import torch
    >>> metric = ClassificationMetric(["cat", "dog"])
    >>> metric.update([ClassPrediction(torch.tensor([0.9, 0.1]))], [ClassTarget(0)])
    >>> metric.scores(intervals=False).main.value
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = expect_classes(classes)
        self._blocks: list[NDArray[np.floating]] = []
        self._truth: list[int] = []

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
        for _, truth in pairs:
            if truth.label >= known:
                raise DataError(f"a picture of class {truth.label}, but only {known} class names")
        rows = expect_finite_rows([one.probabilities for one, _ in pairs], known)
        self._blocks.append(rows)
        self._truth += [truth.label for _, truth in pairs]

    def picture_errors(self) -> list[float]:
        """0 for a picture whose class is right, else 1 - the probability of its true class."""
        if not self._truth:
            return []
        probabilities, truth = self._gathered()
        mine = probabilities[np.arange(len(truth)), truth].astype(np.float64)
        errors = np.where(probabilities.argmax(axis=1) == truth, 0, 1 - mine).clip(0, 1)
        return [float(error) for error in errors]

    def scores(self, intervals: bool = True) -> Scores:
        """All scores so far.

        Raises:
            DataError: no pictures.
        """
        if not self._truth:
            raise DataError("no pictures to score", fix="check that the split is not empty")
        probabilities, truth = self._gathered()
        predicted, classes = probabilities.argmax(axis=1), len(self._classes)
        answers = Answers.of(probabilities.max(axis=1), predicted == truth)
        # Pictures of one truth, one prediction and one rank are alike to what is counted.
        alike = np.stack([truth, predicted, _in_top(probabilities, truth)], axis=1)
        groups, sizes = np.unique(alike, axis=0, return_counts=True)

        def statistic(counts: Counts) -> Values:
            return _scores_of(counts, groups, classes)

        found = estimate(statistic, sizes.astype(np.int64), intervals=intervals)
        roc_auc, ece = _estimate_by_pictures(probabilities, truth, answers, intervals)
        named = {**dict(zip(_COUNTED, found, strict=False)), "roc_auc": roc_auc, "ece": ece}
        overall = {key: score for key, score in named.items() if score is not None}
        if classes <= TOP:
            del overall["top5_accuracy"]
        own = [found[len(_COUNTED) + part * classes :][:classes] for part in range(3)]
        per_class = {
            name: {"precision": precision, "recall": recall, "f1": f1}
            for name, precision, recall, f1 in zip(self._classes, *own, strict=True)
            if precision is not None and recall is not None and f1 is not None
        }
        confusion = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(confusion, (truth, predicted), 1)
        rows = tuple(tuple(row) for row in confusion.tolist())
        return Scores(
            "accuracy", overall, per_class, rows, len(truth), reliability=answers.reliability()
        )

    def _gathered(self) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Probabilities [N, K] and true classes [N] of all pictures."""
        self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0], np.array(self._truth, dtype=np.int64)


def _in_top(probabilities: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the true class of each picture [N] is among its `TOP` most probable ones."""
    mine = probabilities[np.arange(len(truth)), truth][:, None]
    surer = (probabilities > mine).sum(axis=1)
    equal_before = np.arange(probabilities.shape[1]) < truth[:, None]
    rank: NDArray[np.int64] = surer + ((probabilities == mine) & equal_before).sum(axis=1)
    return rank < TOP


def _estimate_by_pictures(
    probabilities: NDArray[np.floating], truth: NDArray[np.int64], answers: Answers, intervals: bool
) -> list[Score | None]:
    """The ROC area and the calibration error, to which no two pictures are alike."""
    pictures, classes = probabilities.shape
    rankings = [ranked(probabilities[:, label], truth == label) for label in np.unique(truth)]
    gaps = answers.gaps(pictures)

    def statistic(counts: Counts) -> Values:
        weights = np.ascontiguousarray(counts.T)
        areas = np.stack([roc_areas(one, weights) for one in rankings], axis=1)
        errors = calibration_errors(gaps, 1, counts)[:, None]
        return np.concatenate([mean_known(areas), errors], axis=1)

    once = np.ones(pictures, dtype=np.int64)
    resamples = affordable_resamples(pictures, classes)
    return estimate(statistic, once, intervals=intervals, resamples=resamples)


def _scores_of(counts: Counts, groups: NDArray[np.int64], classes: int) -> Values:
    """[R, 8 + 3 K]: the counted scores, then precision, recall and F1 of each class.

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
        *(_weighted_mean(each, asked, total) for each in (precision, recall, f1)),
    ]
    return np.concatenate([*overall, precision, recall, f1], axis=1)


def _weighted_mean(values: Values, asked: Counts, total: Counts) -> Values:
    """The mean [R, 1] of `values` [R, K] over pictures, of which each class has `asked` [R, K]."""
    return ratio((np.nan_to_num(values) * asked).sum(axis=1), total)[:, None]


def _sum_by(counts: Counts, keys: NDArray[np.int64], classes: int) -> Counts:
    """Sums [R, K] of the columns of `counts` [R, G] that have the same key [G] in 0..K-1."""
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    sums = np.zeros((len(counts), classes), dtype=np.int64)
    sums[:, present] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums
