"""Figures of a ranking: precision and recall, average precision, and the area under the ROC.

The predictions of a class are sorted by score; going down the list, each is true or false. This is
how the Pascal VOC challenges judged (http://host.robots.ox.ac.uk/pascal/VOC/): classification in
2006 by the area under the ROC, then classification and detection by precision, at eleven recalls
until 2009 (Everingham et al. 2010, https://doi.org/10.1007/s11263-009-0275-4, section 4.2), by the
whole area from 2010 on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from manako.errors import ShapeError, UsageError
from manako.textbook.overlap import iou, refuse_other_scores
from manako.textbook.windows import Array


def precision_recall(scores: Array, true: Array, positives: int) -> tuple[Array, Array]:
    """Precision and recall after each prediction, from the highest score on: two [N].

    `true` [N] says which predictions are right, `positives` how many there are to find. Equal
    scores keep their order. Raises ShapeError, and UsageError when more is found than there is.

    >>> precision, recall = precision_recall(
    ...     np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), positives=4
    ... )
    >>> precision.round(3), recall
    (array([1.   , 0.5  , 0.667]), array([0.25, 0.25, 0.5 ]))
    """
    true = _verdicts(scores, true)
    if positives < max(1, true.sum()):
        raise UsageError(
            f"{positives} objects to find, and {true.sum()} that are found",
            expected="at least one, and each found once: else recall has no meaning",
        )
    found = np.cumsum(true[np.argsort(-scores, kind="stable")])
    return found / np.arange(1, len(found) + 1), found / positives


def average_precision(precision: Array, recall: Array) -> float:
    """The area under the curve, each precision raised to the best at that recall or beyond.

    VOC 2010: all points, no interpolation between them.

    >>> average_precision(np.array([1.0, 0.5, 2 / 3]), np.array([0.25, 0.25, 0.5]))
    0.41666666666666663
    """
    raised = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return float((raised * steps).sum())


def average_precision_11(precision: Array, recall: Array) -> float:
    """The mean of the best precision at a recall of at least 0, 0.1, ..., 1: VOC 2007.

    >>> average_precision_11(np.array([1.0, 0.5, 2 / 3]), np.array([0.25, 0.25, 0.5]))
    0.45454545454545453
    """
    best = [precision[recall >= tenths / 10].max(initial=0) for tenths in range(11)]
    return float(np.mean(best))


def mean_average_precision(by_class: Mapping[str, float]) -> float:
    """The mean over classes, which all count alike."""
    if not by_class:
        raise UsageError("no class has a precision", expected="at least one class with objects")
    return float(np.mean(list(by_class.values())))


def roc_auc(scores: Array, positive: Array) -> float:
    """The probability that a positive is scored above a negative; ties count half.

    That is the area under the curve of true against false positives (Fawcett 2006,
    https://doi.org/10.1016/j.patrec.2005.10.010, section 7).

    >>> roc_auc(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    0.75
    """
    positive = _verdicts(scores, positive)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        raise UsageError(
            f"{positives} positives and {negatives} negatives", expected="at least one of both"
        )
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # of equal scores, the middle
    return float(
        (ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )


def true_detections(
    boxes_xyxy: Array, scores: Array, objects_xyxy: Array, threshold: float = 0.5
) -> Array:
    """Which detections [N] of one class in one picture are right.

    From the highest score on, each looks at the object that it overlaps most; it is right when the
    IoU is at least `threshold` and the object was not found before. A second detection of an object
    is wrong.

    >>> objects = np.array([[0, 0, 10, 10]])
    >>> boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [50, 50, 60, 60]])
    >>> true_detections(boxes, np.array([0.9, 0.8, 0.7]), objects)
    array([ True, False, False])
    """
    refuse_other_scores(boxes_xyxy, scores)
    true = np.zeros(len(boxes_xyxy), bool)
    if not len(objects_xyxy):
        return true
    overlaps = iou(boxes_xyxy, objects_xyxy)
    found = np.zeros(len(objects_xyxy), bool)
    for detection in np.argsort(-scores, kind="stable"):
        best = overlaps[detection].argmax()
        if overlaps[detection, best] >= threshold and not found[best]:
            true[detection] = found[best] = True
    return true


def _verdicts(scores: Array, verdicts: Array) -> Array:
    """`verdicts` [N] as booleans, one for each of `scores` [N]."""
    if scores.shape != verdicts.shape or scores.ndim != 1:
        raise ShapeError(
            f"scores {list(scores.shape)} and verdicts {list(verdicts.shape)}", expected="two [N]"
        )
    if not np.isin(verdicts, (0, 1)).all():
        raise UsageError(
            f"verdicts of the values {np.unique(verdicts).tolist()}", expected="False and True"
        )
    return verdicts.astype(bool)
