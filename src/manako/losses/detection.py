"""The multibox loss of SSD: https://arxiv.org/abs/1512.02325, equations 1 to 3 and section 2.2.

Decided here, where the paper is silent:
- An object marked `ignored` is not learned; anchors that overlap one by an IoU of 0.5 or more are
  no negatives either, whatever else they show, unless they are positives of a known object.
- A picture without positives counts as having one when its negatives are chosen, so that empty
  pictures teach, too, and a batch of them has a finite loss.
- Of equally hard negatives the one of lower index is taken. No sum depends on thread order.

Shapes: B pictures, A anchors, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from manako.errors import DataError, UsageError
from manako.losses.precision import at_least_float32
from manako.ops.boxes import encode_boxes, iou_matrix
from manako.ops.matching import match_anchors
from manako.ops.truths import expect_truths
from manako.structures import AnchorRaw, BoxTargets, Target

IGNORED_IOU = 0.5
"""From this overlap with an ignored object on, an anchor is no negative."""


class AnchorTargets(NamedTuple):
    """What the anchors of one picture (or of B pictures, stacked) should say.

    `classes` [A] int64, 0 for background and k + 1 for class k; `offsets` [A, 4], zero where there
    is no object; `may_be_negative` [A] bool.
    """

    classes: Tensor
    offsets: Tensor
    may_be_negative: Tensor


def multibox_loss(
    raw: AnchorRaw,
    targets: Sequence[Target | None],
    *,
    negatives_per_positive: int = 3,
    iou_threshold: float = 0.5,
) -> dict[str, Tensor]:
    """Classification and localisation loss of B pictures, as {"class": scalar, "box": scalar}.

    "class" is the cross-entropy of the positives and of the hardest negatives of each picture
    (at most `negatives_per_positive` for each of its positives), "box" the smooth L1 distance of
    the positives' offsets from the encoded boxes. Both are sums divided by the number of positives
    in the batch, or by 1 if there are none; the paper's loss is their sum (alpha = 1).

    Args:
        raw: of the network; boxes of `targets` are in pixels of the same input.
        targets: B of `BoxTargets`, each with any number of objects.
        negatives_per_positive: at least 1.
        iou_threshold: from which overlap on an anchor answers for an object.

    Raises:
        DataError: a picture without truth or an object of a class that the network does not have.
        UsageError: a parameter outside its range, or targets of another kind.
    """
    if negatives_per_positive < 1:
        raise UsageError(
            f"{negatives_per_positive} negatives for each positive", expected="1 or more"
        )
    logits, offsets = at_least_float32(raw.class_logits), at_least_float32(raw.offsets)
    truths = expect_truths(targets, BoxTargets, len(logits))
    anchors = raw.anchors_xyxy.to(offsets)
    _check_labels(truths, classes=logits.shape[-1] - 1)
    each = [assign_targets(anchors, truth, iou_threshold) for truth in truths]
    wanted = AnchorTargets(*(torch.stack(part) for part in zip(*each, strict=True)))

    positive = wanted.classes > 0
    count = positive.sum().clamp(min=1)
    surprise = F.cross_entropy(logits.transpose(1, 2), wanted.classes, reduction="none")
    negative = hardest_negatives(
        surprise.detach(), positive, wanted.may_be_negative, negatives_per_positive
    )
    distance = F.smooth_l1_loss(offsets, wanted.offsets, reduction="none").sum(dim=2)
    return {
        "class": torch.where(positive | negative, surprise, 0).sum() / count,
        "box": torch.where(positive, distance, 0).sum() / count,
    }


def count_positives(
    anchors_xyxy: Tensor, targets: Sequence[BoxTargets], iou_threshold: float = 0.5
) -> int:
    """How many anchors [A, 4] answer for an object, over all pictures: what the loss divides by."""
    return sum(
        int((assign_targets(anchors_xyxy, truth, iou_threshold).classes > 0).sum())
        for truth in targets
    )


def assign_targets(anchors_xyxy: Tensor, truth: BoxTargets, iou_threshold: float) -> AnchorTargets:
    """What each of the anchors [A, 4] should say of one picture."""
    boxes = truth.boxes_xyxy.to(anchors_xyxy)
    labels = truth.labels.to(anchors_xyxy.device)
    ignored = truth.ignored_mask.to(anchors_xyxy.device)
    matched = match_anchors(anchors_xyxy, boxes[~ignored], iou_threshold)
    positive = matched >= 0

    classes = torch.zeros_like(matched)
    classes[positive] = labels[~ignored][matched[positive]] + 1
    offsets = torch.zeros_like(anchors_xyxy)
    offsets[positive] = encode_boxes(boxes[~ignored][matched[positive]], anchors_xyxy[positive])
    may_be_negative = ~positive
    if bool(ignored.any()):
        overlap = iou_matrix(anchors_xyxy, boxes[ignored]).amax(dim=1)
        may_be_negative = may_be_negative & (overlap < IGNORED_IOU)
    return AnchorTargets(classes, offsets, may_be_negative)


def hardest_negatives(
    surprise: Tensor, positive: Tensor, may_be_negative: Tensor, negatives_per_positive: int
) -> Tensor:
    """The negatives [B, A] bool to learn from: those with the largest `surprise` [B, A].

    A picture gives `negatives_per_positive` for each of its positives, or as if it had one.

    >>> surprise = torch.tensor([[0.1, 0.9, 0.5, 0.7]])
    >>> positive = torch.tensor([[True, False, False, False]])
    >>> hardest_negatives(surprise, positive, ~positive, 2)
    tensor([[False,  True, False,  True]])
    """
    hardness = torch.where(may_be_negative, surprise, -torch.inf)
    order = torch.argsort(hardness, dim=1, descending=True, stable=True)
    rank = torch.argsort(order, dim=1)
    wanted = positive.sum(dim=1, keepdim=True).clamp(min=1) * negatives_per_positive
    return may_be_negative & (rank < wanted)


def _check_labels(truths: Sequence[BoxTargets], classes: int) -> None:
    for truth in truths:
        if len(truth) and not 0 <= int(truth.labels.min()) <= int(truth.labels.max()) < classes:
            raise DataError(
                f"objects of classes {sorted(set(truth.labels.tolist()))} for a network of "
                f"{classes} classes",
                expected=f"classes 0 to {classes - 1}",
            )
