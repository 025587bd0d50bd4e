"""Greedy non-maximum suppression: of boxes that show the same object, the surest stays.

A box goes when its IoU with a surer box that stayed is *larger* than the threshold (at the
threshold both stay). Of equal scores the lower index counts as the surer one. IoU is computed in
the type of the boxes: in float32 an IoU of 3/10 is a hair above a threshold of 0.3.
"""

from __future__ import annotations

import torch
import torchvision.ops
from torch import Tensor

from manako.errors import ShapeError, UsageError


def nms(boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices [M] int64 of the boxes that stay, the surest first.

    Args:
        boxes_xyxy: [N, 4] floats in pixels.
        scores: [N] floats.
        iou_threshold: 0..1.

    Raises:
        ShapeError: boxes and scores that do not fit together.
        UsageError: a threshold outside 0..1.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 1, 11, 11], [20.0, 20, 30, 30]])
    >>> nms(boxes, torch.tensor([0.6, 0.9, 0.3]), 0.5)
    tensor([1, 2])
    """
    _check(boxes_xyxy, scores, iou_threshold)
    kept: Tensor = torchvision.ops.nms(boxes_xyxy, scores, iou_threshold)
    return kept


def nms_per_class(
    boxes_xyxy: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float
) -> Tensor:
    """`nms` among the boxes of each class by itself; `labels` [N] int64.

    Returns:
        Indices [M] int64 of the boxes that stay, the surest first, of equals the lower index.

    The classes are gone through one by one. (The usual trick, to shift each class to a place of
    its own and suppress once, rounds the boxes' coordinates and with them IoU.)

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 10]])
    >>> nms_per_class(boxes, torch.tensor([0.6, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    _check(boxes_xyxy, scores, iou_threshold)
    if labels.shape != scores.shape:
        raise ShapeError(f"labels must have shape ({len(scores)},), not {tuple(labels.shape)}")
    keep = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    for label in torch.unique(labels):
        members = torch.nonzero(labels == label).flatten()
        keep[members[nms(boxes_xyxy[members], scores[members], iou_threshold)]] = True
    kept = torch.nonzero(keep).flatten()
    return kept[torch.argsort(scores[kept], descending=True, stable=True)]


def _check(boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float) -> None:
    if boxes_xyxy.ndim != 2 or boxes_xyxy.shape[1] != 4:
        raise ShapeError(f"boxes_xyxy must have shape (N, 4), not {tuple(boxes_xyxy.shape)}")
    if scores.shape != boxes_xyxy.shape[:1]:
        raise ShapeError(f"scores must have shape ({len(boxes_xyxy)},), not {tuple(scores.shape)}")
    if not 0 <= iou_threshold <= 1:
        raise UsageError(f"an IoU threshold of {iou_threshold}", expected="a number from 0 to 1")
