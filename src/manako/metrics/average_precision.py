"""Average precision by COCO's definition, in NumPy.

Lin et al. 2014 (https://arxiv.org/abs/1405.0312) and the evaluation code that defines the numbers
in detail (https://github.com/cocodataset/cocoapi, `COCOeval`); equal to it to 1e-9.

- The detections of a picture and class are gone through in order of score, the first
  `MAX_DETECTIONS` only, for each of ten IoU thresholds. Each takes the free object that it
  overlaps most, if by the threshold or more; of equal overlaps the later object.
- A detection that finds none may fall on an ignored object (a crowd): its overlap is intersection
  over the *detection's* area, an ignored object takes any number, and such a detection counts
  neither as right nor as wrong.
- Precision is made monotone from the right and read at 101 recalls; the mean of these is AP.
- Equal scores keep the order in which pictures, and detections in a picture, came.

Each picture is matched once. The curve then takes how often each picture counts: once for the
score itself, and as drawn for its interval.

Shapes: R draws, N pictures, D detections, G objects, T = 10 thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manako.metrics.bootstrap import Counts, Values, ratio

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100
BLOCK_ELEMENTS = 2**22
"""Running counts held at a time (32 MiB)."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Matches:
    """The detections of one class, in one picture or (`joined`) in many.

    `scores` [D]; `right` [T, D]: found an object; `void` [T, D]: fell on an ignored one and counts
    neither way; `pictures` [D]: where each comes from; `objects` [N]: how many there were to find
    in each picture.
    """

    scores: Values
    right: Bools
    void: Bools
    pictures: NDArray[np.int64]
    objects: NDArray[np.int64]


def match_picture(
    boxes_xyxy: Values, scores: Values, truth_xyxy: Values, ignored: Bools
) -> Matches:
    """Which detections of one class in one picture are right.

    Args:
        boxes_xyxy: [D, 4] in pixels.
        scores: [D].
        truth_xyxy: [G, 4] in pixels.
        ignored: [G].
    """
    order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    known, crowds = truth_xyxy[~ignored], truth_xyxy[ignored]
    iou = overlaps(boxes_xyxy[order], known, crowd=False)
    on_crowd = overlaps(boxes_xyxy[order], crowds, crowd=True).max(axis=1, initial=-1)
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    every = np.arange(len(thresholds))
    free = np.ones((len(thresholds), len(known)), dtype=bool)
    right = np.zeros((len(thresholds), len(order)), dtype=bool)
    for detection in np.flatnonzero(iou.max(axis=1, initial=-1) >= thresholds[0]):
        allowed = free & (iou[detection] >= thresholds[:, None])
        backwards = np.where(allowed, iou[detection], -1)[:, ::-1]
        best = len(known) - 1 - backwards.argmax(axis=1)
        right[:, detection] = allowed[every, best]
        free[every, best] &= ~right[:, detection]
    return Matches(
        scores=scores[order],
        right=right,
        void=~right & (on_crowd >= thresholds[:, None]),
        pictures=np.zeros(len(order), dtype=np.int64),
        objects=np.array([len(known)]),
    )


def overlaps(boxes_xyxy: Values, truth_xyxy: Values, *, crowd: bool) -> Values:
    """Intersection over union [D, G], or over the detection's own area if `crowd`."""
    # Sides first, and ends from sides: as in boxes stored x, y, width, height.
    upper_a, sides_a = boxes_xyxy[:, None, :2], boxes_xyxy[:, None, 2:] - boxes_xyxy[:, None, :2]
    upper_b, sides_b = truth_xyxy[None, :, :2], truth_xyxy[None, :, 2:] - truth_xyxy[None, :, :2]
    sides = np.minimum(upper_a + sides_a, upper_b + sides_b) - np.maximum(upper_a, upper_b)
    intersection = np.where((sides > 0).all(axis=2), sides.prod(axis=2), 0.0)
    whole = np.broadcast_to(sides_a.prod(axis=2), intersection.shape)
    if not crowd:
        whole = whole + sides_b.prod(axis=2) - intersection
    return np.where(intersection > 0, intersection / np.where(intersection > 0, whole, 1), 0.0)


def joined(each: list[Matches]) -> Matches:
    """The detections of one class in N pictures, the surest first."""
    scores = np.concatenate([one.scores for one in each])
    order = np.argsort(-scores, kind="stable")
    pictures = np.repeat(np.arange(len(each)), [len(one.scores) for one in each])
    return Matches(
        scores=scores[order],
        right=np.concatenate([one.right for one in each], axis=1)[:, order],
        void=np.concatenate([one.void for one in each], axis=1)[:, order],
        pictures=pictures[order],
        objects=np.concatenate([one.objects for one in each]),
    )


def average_precisions(matches: Matches, counts: Counts) -> Values:
    """AP [R, T] where picture n counts `counts[r, n]` times; NaN where there is no object.

    Only the detections that are right have to be looked at: between two of them recall stands
    still and precision falls, so neither the monotone curve nor its steps are decided there.
    """
    rows = max(1, BLOCK_ELEMENTS // max(1, len(matches.scores)))
    blocks = [counts[first : first + rows] for first in range(0, len(counts), rows)]
    return np.concatenate([_average_precisions(matches, block) for block in blocks])


def _average_precisions(matches: Matches, counts: Counts) -> Values:
    objects = counts @ matches.objects  # [R]
    weights = counts.T[matches.pictures]  # [D, R]: how often each detection counts
    seen = weights.cumsum(axis=0)
    result = np.zeros((len(counts), len(IOU_THRESHOLDS)))
    for column, (right, void) in enumerate(zip(matches.right, matches.void, strict=True)):
        at = np.flatnonzero(right)
        if len(at) == 0:
            continue
        ignored = np.zeros((1 + int(void.sum()), len(counts)), dtype=np.int64)
        np.cumsum(weights[void], axis=0, out=ignored[1:])
        counted = seen[at] - ignored[void.cumsum()[at]]
        hits = weights[at].cumsum(axis=0)
        precision = hits / (counted + np.spacing(1))
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        # How many of the 101 recalls are reached with each hit, and how many with it first.
        reached = np.searchsorted(RECALLS, ratio(hits, objects[None]), side="right")
        fresh = np.diff(reached, axis=0, prepend=0)
        result[:, column] = (envelope * fresh).sum(axis=0) / len(RECALLS)
    result[objects == 0] = np.nan
    return result
