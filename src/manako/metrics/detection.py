"""Scores of a detector: COCO's average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manako.errors import DataError, NumericError, UsageError
from manako.metrics.average_precision import (
    IOU_THRESHOLDS,
    Matches,
    average_precisions,
    joined,
    match_picture,
)
from manako.metrics.bootstrap import Counts, Values, estimate, mean_known
from manako.metrics.protocol import expect_classes, expect_pairs
from manako.structures import BoxTargets, Detections, Prediction, Scores, Target

SURE_SCORE = 0.3
"""From this score on a detection counts in `picture_errors`."""


class DetectionMetric:
    """AP50 (the headline), AP75 and AP (mean over IoU 0.50, 0.55 … 0.95); AP50 and AP per class.

    By COCO's definition (`manako.metrics.average_precision`), all areas, at most 100 detections of
    a class in a picture. Targets marked `ignored` are COCO's crowds. A class of which there is
    nothing to find is left out of the means, also inside the bootstrap; one that is never found
    has 0. Bootstrap draws keep the order of equal scores, a picture's copies beside each other.

    >>> import torch
    >>> box, label = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([0])
    >>> metric = DetectionMetric(["cell"])
    >>> metric.update([Detections(box, torch.tensor([0.9]), label)], [BoxTargets(box, label)])
    >>> round(metric.scores(intervals=False).main.value, 9)
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = expect_classes(classes)
        self._pictures: list[list[Matches]] = []  # for each picture, for each class

    def update(self, predictions: Sequence[Prediction], targets: Sequence[Target | None]) -> None:
        """Take in `Detections` and their `BoxTargets`, both in pixels of the original pictures.

        Raises:
            DataError: a picture without truth, or an object of a class beyond the names.
            NumericError: a box or score that is not finite.
            UsageError: predictions or targets of another kind, or a detection of a class beyond
                the names.
        """
        for found, truth in expect_pairs(predictions, targets, Detections, BoxTargets):
            self._pictures.append(self._match(found, truth))

    def _match(self, found: Detections, truth: BoxTargets) -> list[Matches]:
        classes = len(self._classes)
        boxes = found.boxes_xyxy.detach().cpu().double().numpy()
        scores = found.scores.detach().cpu().double().numpy()
        labels = found.labels.cpu().numpy()
        truth_boxes = truth.boxes_xyxy.cpu().double().numpy()
        truth_labels = truth.labels.cpu().numpy()
        ignored = truth.ignored_mask.cpu().numpy()
        if not all(np.isfinite(part).all() for part in (boxes, scores, truth_boxes)):
            raise NumericError("a box or score is not a finite number")
        if not np.isin(truth_labels, range(classes)).all():
            raise DataError(
                f"objects of classes {np.unique(truth_labels).tolist()}, "
                f"but only {classes} class names"
            )
        if not np.isin(labels, range(classes)).all():
            raise UsageError(
                f"detections of classes {np.unique(labels).tolist()}, "
                f"but only {classes} class names"
            )
        return [
            match_picture(
                boxes[labels == label],
                scores[labels == label],
                truth_boxes[truth_labels == label],
                ignored[truth_labels == label],
            )
            for label in range(classes)
        ]

    def picture_errors(self) -> list[float]:
        """1 - F1 of each picture, at IoU 0.5, of the detections with a score of 0.3 or more.

        Over all classes; what falls on an ignored object does not count. 0 where there is nothing
        to find and nothing was found.
        """
        return [_picture_error(picture) for picture in self._pictures]

    def scores(self, intervals: bool = True) -> Scores:
        """All scores so far.

        Raises:
            DataError: no pictures, or no object in any of them.
        """
        if not self._pictures:
            raise DataError("no pictures to score", fix="check that the split is not empty")
        every = [joined(list(each)) for each in zip(*self._pictures, strict=True)]
        if all(one.objects.sum() == 0 for one in every):
            raise DataError(
                f"there is no object to find in {len(self._pictures)} pictures: "
                "average precision is not defined",
                fix="score pictures with objects of the recognizer's classes",
            )

        def statistic(counts: Counts) -> Values:
            return _scores_of(counts, every)

        once = np.ones(len(self._pictures), dtype=np.int64)
        found = estimate(statistic, once, intervals=intervals)
        names = ["AP", "AP50", "AP75"]
        overall = {
            key: score for key, score in zip(names, found, strict=False) if score is not None
        }
        ap, ap50 = found[3 : 3 + len(every)], found[3 + len(every) :]
        per_class = {
            name: {"AP50": at_50, "AP": mean}
            for name, at_50, mean in zip(self._classes, ap50, ap, strict=True)
            if at_50 is not None and mean is not None
        }
        return Scores("AP50", overall, per_class, pictures=len(self._pictures))


def _scores_of(counts: Counts, classes: Sequence[Matches]) -> Values:
    """[R, 3 + 2 K]: AP, AP50 and AP75 over the classes, then AP and AP50 of each class."""
    each = np.stack([average_precisions(one, counts) for one in classes], axis=1)  # [R, K, T]
    mean, at_50 = each.mean(axis=2), each[:, :, 0]
    at_75 = each[:, :, int(np.argmin(np.abs(IOU_THRESHOLDS - 0.75)))]
    overall = [mean_known(mean), mean_known(at_50), mean_known(at_75)]
    return np.concatenate([*overall, mean, at_50], axis=1)


def _picture_error(classes: Sequence[Matches]) -> float:
    hits, said, asked = 0, 0, 0
    for one in classes:
        sure = one.scores >= SURE_SCORE
        hits += int((one.right[0] & sure).sum())
        said += int((~one.void[0] & sure).sum())
        asked += int(one.objects.sum())
    return 1 - 2 * hits / (said + asked) if said + asked else 0.0
