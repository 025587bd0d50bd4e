"""Boxes: area, overlap, and the code in which a detector regresses them.

All boxes are xyxy floats in pixels with x1 <= x2 and y1 <= y2; the area of a box is
(x2 - x1) * (y2 - y1), without the "+ 1" of older evaluation scripts. Every function keeps the
type of its input, so float64 stays float64.

Shapes: N, M boxes; A anchors; `...` any leading dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manako.errors import ShapeError, UsageError

SSD_VARIANCES = (0.1, 0.1, 0.2, 0.2)
"""By what the four offsets are divided, so that they have about unit variance (SSD's code)."""

MAX_LOG_SCALE = 10.0
"""Decoded sides are at most exp(10), about 22,000, times the anchor's: they stay finite."""


def area(boxes_xyxy: Tensor) -> Tensor:
    """Areas [...] in square pixels of boxes [..., 4]; 0 where a box is turned inside out.

    >>> area(torch.tensor([[0.0, 0.0, 4.0, 5.0], [3.0, 3.0, 1.0, 4.0]]))
    tensor([20.,  0.])
    """
    _check_boxes(boxes_xyxy, "boxes_xyxy")
    sides = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def iou_matrix(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """Intersection over union [N, M] of every box in `a_xyxy` [N, 4] with every one in `b_xyxy`.

    In 0..1. Two boxes without area have 0, also where they are the same (and not NaN).

    >>> iou_matrix(torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([[5.0, 5.0, 14.0, 14.0]]))
    tensor([[0.1096]])
    """
    areas_a, areas_b = area(a_xyxy), area(b_xyxy)
    upper_left = torch.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    lower_right = torch.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = (lower_right - upper_left).clamp(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    union = areas_a[:, None] + areas_b[None, :] - intersection
    # Rounding may bring the union of nearly equal boxes a hair below their intersection.
    iou = (intersection / torch.where(union > 0, union, 1)).clamp(max=1)
    return torch.where(union > 0, iou, 0)


def encode_boxes(
    boxes_xyxy: Tensor,
    anchors_xyxy: Tensor,
    variances: tuple[float, float, float, float] = SSD_VARIANCES,
) -> Tensor:
    """Boxes as offsets from anchors, both [..., 4]: what the loss compares.

    SSD (https://arxiv.org/abs/1512.02325), equation 2: the shift of the centre in units of the
    anchor's sides and the logarithm of the ratio of the sides; each divided by its variance, as
    the authors' code does and the paper does not say.

    Raises:
        UsageError: a box or anchor without width or height has no code.

    >>> box, anchor = torch.tensor([2.0, 1.0, 6.0, 5.0]), torch.tensor([0.0, 0.0, 4.0, 4.0])
    >>> encode_boxes(box, anchor)
    tensor([5.0000, 2.5000, 0.0000, 0.0000])
    """
    centres, sides = _centres_and_sides(boxes_xyxy, "boxes_xyxy")
    anchor_centres, anchor_sides = _centres_and_sides(anchors_xyxy, "anchors_xyxy")
    if not bool((sides > 0).all()) or not bool((anchor_sides > 0).all()):
        raise UsageError(
            "a box or anchor without width or height cannot be encoded",
            expected="x1 < x2 and y1 < y2",
            fix="drop boxes without area before they are encoded",
        )
    shifts = (centres - anchor_centres) / anchor_sides
    scales = torch.log(sides / anchor_sides)
    return torch.cat([shifts, scales], dim=-1) / boxes_xyxy.new_tensor(variances)


def decode_boxes(
    offsets: Tensor,
    anchors_xyxy: Tensor,
    variances: tuple[float, float, float, float] = SSD_VARIANCES,
) -> Tensor:
    """The boxes [..., 4] that `offsets` [..., 4] from anchors say: undoes `encode_boxes`.

    Sides are held to exp(`MAX_LOG_SCALE`) times the anchor's, so that a network that is far off
    gives large boxes and not infinite ones.

    >>> decode_boxes(torch.tensor([5.0, 2.5, 0.0, 0.0]), torch.tensor([0.0, 0.0, 4.0, 4.0]))
    tensor([2., 1., 6., 5.])
    """
    _check_boxes(offsets, "offsets")
    anchor_centres, anchor_sides = _centres_and_sides(anchors_xyxy, "anchors_xyxy")
    scaled = offsets * offsets.new_tensor(variances)
    centres = anchor_centres + scaled[..., :2] * anchor_sides
    half_sides = anchor_sides * torch.exp(scaled[..., 2:].clamp(max=MAX_LOG_SCALE)) / 2
    return torch.cat([centres - half_sides, centres + half_sides], dim=-1)


def _centres_and_sides(boxes_xyxy: Tensor, name: str) -> tuple[Tensor, Tensor]:
    _check_boxes(boxes_xyxy, name)
    upper_left, lower_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return (upper_left + lower_right) / 2, lower_right - upper_left


def _check_boxes(boxes: Tensor, name: str) -> None:
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"{name} must have shape (..., 4), not {tuple(boxes.shape)}")
    if not boxes.is_floating_point():
        raise ShapeError(f"{name} must be floats, not {boxes.dtype}")
