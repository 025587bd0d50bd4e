"""Scores of a recognizer that gives a picture any number of labels.

Average precision of a class as in `manako.metrics.ranking`; a class that no picture shows has no
scores and is left out of the macro means, also inside the bootstrap. A label is said where its
probability is one half or more. With TP, FP and FN of one class: precision = TP / (TP + FP), 0 for
a class that is never said; recall = TP / (TP + FN); F1 = 2 TP / (2 TP + FP + FN), for micro F1 with
TP, FP and FN summed over all classes. "ece" is the expected calibration error of the probabilities
of all classes and pictures (`manako.metrics.calibration`), the one score of which less is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manako.errors import DataError
from manako.metrics.bootstrap import Counts, Values, estimate, mean_known, ratio
from manako.metrics.calibration import Answers, calibration_errors
from manako.metrics.protocol import expect_classes, expect_finite_rows, expect_pairs
from manako.metrics.ranking import affordable_resamples, average_precisions, ranked
from manako.structures import LabelsPrediction, LabelsTarget, Prediction, Scores, Target
from manako.structures.predictions import LABEL_FROM

Bools = NDArray[np.bool_]

_OVERALL = (
    *("mAP", "macro_precision", "macro_recall", "macro_f1"),
    *("micro_f1", "exact_match", "hamming_accuracy", "ece"),
)
_OF_CLASS = ("AP", "precision", "recall", "f1")


class LabelsMetric:
    """Mean average precision (the headline), F1, exact matches, right decisions, calibration.

    "exact_match" is the share of pictures all of whose labels are right, "hamming_accuracy" the
    share of labels. The intervals come from fewer draws, 100 at least, where pictures times classes
    are more than 300,000.

    >>> import torch
    >>> metric = LabelsMetric(["cat", "dog"])
    >>> metric.update([LabelsPrediction(torch.tensor([0.9, 0.8]))], [LabelsTarget((0,))])
    >>> scores = metric.scores(intervals=False)
    >>> scores.main.value, scores.overall["hamming_accuracy"].value
    (1.0, 0.5)
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = expect_classes(classes)
        self._probabilities: list[NDArray[np.floating]] = []
        self._truths: list[Bools] = []

    def update(self, predictions: Sequence[Prediction], targets: Sequence[Target | None]) -> None:
        """Take in `LabelsPrediction`s of K probabilities and their `LabelsTarget`s.

        Raises:
            DataError: a picture without truth, or with a class beyond the names.
            NumericError: a probability that is not finite.
            ShapeError, UsageError: predictions or targets of another shape or kind.
        """
        pairs = expect_pairs(predictions, targets, LabelsPrediction, LabelsTarget)
        if not pairs:
            return
        known = len(self._classes)
        truth = np.zeros((len(pairs), known), dtype=bool)
        for row, (_, target) in zip(truth, pairs, strict=True):
            if target.labels and target.labels[-1] >= known:
                raise DataError(
                    f"a picture of class {target.labels[-1]}, but only {known} class names"
                )
            row[list(target.labels)] = True
        rows = expect_finite_rows([one.probabilities for one, _ in pairs], known)
        self._probabilities.append(rows)
        self._truths.append(truth)

    def picture_errors(self) -> list[float]:
        """How sure the surest wrong label of each picture is, from one half; 0 where all are right.

        A label that is missed is as surely wrong as its probability is far from 1.
        """
        if not self._truths:
            return []
        probabilities, truth = self._gathered()
        wrong = (probabilities >= LABEL_FROM) != truth
        distance = np.abs(truth - probabilities.astype(np.float64))
        return [float(error) for error in np.where(wrong, distance, 0).clip(0, 1).max(axis=1)]

    def scores(self, intervals: bool = True) -> Scores:
        """All scores so far.

        Raises:
            DataError: no pictures, or no label in any of them.
        """
        if not self._truths:
            raise DataError("no pictures to score", fix="check that the split is not empty")
        probabilities, truth = self._gathered()
        if not truth.any():
            raise DataError(
                f"none of {len(truth)} pictures has a label: average precision is not defined",
                fix="score pictures that show the recognizer's classes",
            )
        answers = Answers.of(probabilities, truth)
        gaps = answers.gaps(len(truth))
        shown = [label for label in range(truth.shape[1]) if truth[:, label].any()]
        rankings = [ranked(probabilities[:, label], truth[:, label]) for label in shown]
        facts = _facts(probabilities >= LABEL_FROM, truth)

        def statistic(counts: Counts) -> Values:
            weights = np.ascontiguousarray(counts.T)
            precisions = np.full((len(counts), truth.shape[1]), np.nan)
            for label, ranking in zip(shown, rankings, strict=True):
                precisions[:, label] = average_precisions(ranking, weights)
            errors = calibration_errors(gaps, truth.shape[1], counts)
            return _scores_of(counts, facts, precisions, errors)

        resamples = affordable_resamples(*truth.shape)
        once = np.ones(len(truth), dtype=np.int64)
        found = estimate(statistic, once, intervals=intervals, resamples=resamples)
        overall = {name: one for name, one in zip(_OVERALL, found, strict=False) if one is not None}
        each = np.array(found[len(_OVERALL) :], dtype=object).reshape(len(_OF_CLASS), -1)
        per_class = {
            self._classes[label]: dict(zip(_OF_CLASS, each[:, label], strict=True))
            for label in shown
        }
        return Scores(
            "mAP", overall, per_class, pictures=len(truth), reliability=answers.reliability()
        )

    def _gathered(self) -> tuple[NDArray[np.floating], Bools]:
        """Probabilities and truth of all pictures, [N, K] each."""
        self._probabilities = [np.concatenate(self._probabilities)]
        self._truths = [np.concatenate(self._truths)]
        return self._probabilities[0], self._truths[0]


def _facts(said: Bools, truth: Bools) -> Values:
    """What is counted of each picture, [N, 3 K + 2]: hits, said and true labels by class, whether
    all is right, and how many labels are."""
    right = said == truth
    parts = [said & truth, said, truth, right.all(axis=1)[:, None]]
    counted = np.concatenate(parts, axis=1).astype(np.float64)
    return np.concatenate([counted, right.sum(axis=1)[:, None]], axis=1)


def _scores_of(counts: Counts, facts: Values, precisions: Values, errors: Values) -> Values:
    """[R, 8 + 4 K]: the overall scores, then AP, precision, recall and F1 of each class.

    `precisions` [R, K] are the average precisions, `errors` [R] those of calibration.
    """
    sums = counts.astype(np.float64) @ facts  # of whole numbers: the same bits on every machine
    classes = precisions.shape[1]
    hits, said, asked, rest = np.split(sums, [classes, 2 * classes, 3 * classes], axis=1)
    total = counts.sum(axis=1)
    recall = ratio(hits, asked)
    precision = np.where(asked > 0, np.nan_to_num(ratio(hits, said)), np.nan)
    f1 = np.where(asked > 0, ratio(2 * hits, asked + said), np.nan)
    micro = ratio(2 * hits.sum(axis=1), asked.sum(axis=1) + said.sum(axis=1))
    overall = [
        *(mean_known(each) for each in (precisions, precision, recall, f1)),
        micro[:, None],
        ratio(rest[:, 0], total)[:, None],
        ratio(rest[:, 1], total * classes)[:, None],
        errors[:, None],
    ]
    return np.concatenate([*overall, precisions, precision, recall, f1], axis=1)
