"""How much boxes overlap, and which of many overlapping ones to keep."""

from __future__ import annotations

import numpy as np

from manako.errors import ShapeError
from manako.textbook.windows import Array


def iou(a_xyxy: Array, b_xyxy: Array) -> Array:
    """Intersection over union of every pair: boxes [N, 4] and [M, 4] -> [N, M].

    Boxes are (left, top, right, bottom); a side is right - left, without a pixel more. Two boxes
    without area have 0 in common.

    >>> iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333333, 0.        ]])
    """
    for boxes in (a_xyxy, b_xyxy):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ShapeError(f"boxes of shape {list(boxes.shape)}", expected="[N, 4]")
    left_top = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    right_bottom = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    intersection = (right_bottom - left_top).clip(min=0).prod(-1)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None] - intersection
    shares = np.zeros(union.shape)
    return np.divide(intersection, union, out=shares, where=union > 0)


def areas(boxes_xyxy: Array) -> Array:
    """Boxes [N, 4] -> areas [N]; 0 for a box whose right is left of its left."""
    return (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).clip(min=0).prod(-1)


def nms(boxes_xyxy: Array, scores: Array, threshold: float) -> Array:
    """Which of the boxes [N, 4] are kept, best first: greedy non-maximum suppression.

    1. Sort the boxes by score, the highest first; equal scores keep their order.
    2. Keep the first box.
    3. Remove it, and all whose IoU with it is larger than `threshold`.
    4. Begin again at 2 with those that are left, until there are none.

    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> nms(boxes, np.array([0.8, 0.9, 0.7]), threshold=0.5)
    array([1, 2])
    """
    refuse_other_scores(boxes_xyxy, scores)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while left.size:
        best, others = left[0], left[1:]
        kept.append(best)
        overlaps = iou(boxes_xyxy[[best]], boxes_xyxy[others])[0]
        left = others[overlaps <= threshold]
    return np.array(kept, dtype=np.intp)


def refuse_other_scores(boxes_xyxy: Array, scores: Array) -> None:
    """Raise ShapeError unless there is one score for each box."""
    if scores.shape != (len(boxes_xyxy),):
        raise ShapeError(
            f"scores of shape {list(scores.shape)} for {len(boxes_xyxy)} boxes",
            expected="one for each box",
        )
