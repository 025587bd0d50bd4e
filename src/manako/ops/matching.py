"""Which anchor answers for which object.

Liu et al. 2016 (https://arxiv.org/abs/1512.02325), section 2.2, "Matching strategy". What the
paper leaves open is decided as in the authors' code: no two objects share the anchor that is
theirs by right of best overlap, and an object that overlaps no anchor has none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manako.errors import UsageError
from manako.ops.boxes import iou_matrix

UNMATCHED = -1


def match_anchors(anchors_xyxy: Tensor, boxes_xyxy: Tensor, iou_threshold: float = 0.5) -> Tensor:
    """The box that each anchor is to predict.

    First each box gets the anchor that overlaps it most; where several boxes want the same
    anchor, the one with the largest overlap has it and the others take the best that is left.
    Then every other anchor whose overlap with its best box is at least `iou_threshold` goes to
    that box. Of equal overlaps the lower index (box or anchor) comes first.

    Args:
        anchors_xyxy: [A, 4] in pixels.
        boxes_xyxy: [N, 4] in pixels, N may be 0.
        iou_threshold: above 0, at most 1.

    Returns:
        [A] int64: an index into the boxes, or -1.

    Raises:
        UsageError: a threshold outside its range.

    >>> anchors = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 8], [50.0, 50, 60, 60]])
    >>> match_anchors(anchors, torch.tensor([[50.0, 50, 90, 90], [0.0, 0, 10, 10]]))
    tensor([1, 1, 0])
    """
    if not 0 < iou_threshold <= 1:
        raise UsageError(
            f"a matching threshold of {iou_threshold}", expected="a number above 0, at most 1"
        )
    anchors = len(anchors_xyxy)
    matched = torch.full((anchors,), UNMATCHED, dtype=torch.int64, device=anchors_xyxy.device)
    if anchors == 0 or len(boxes_xyxy) == 0:
        return matched
    iou = iou_matrix(boxes_xyxy, anchors_xyxy)  # [N, A]: the search for each box is a row
    overlap, box = iou.max(dim=0)
    matched = torch.where(overlap >= iou_threshold, box, matched)
    owners, own_anchors = _one_anchor_each(iou)
    matched[own_anchors] = owners
    return matched


def _one_anchor_each(iou: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes and the anchors that are theirs: greedy bipartite matching of `iou` [N, A].

    The largest overlap of all is settled first, then the largest among the boxes and anchors that
    are left. Only boxes that lost their favourite are looked at again.
    """
    overlap, favourite = iou.max(dim=1)
    touching = torch.nonzero(overlap > 0).flatten()
    if len(torch.unique(favourite[touching])) == len(touching):
        return touching, favourite[touching]
    iou = iou.clone()
    best, anchor_of = overlap.tolist(), favourite.tolist()
    waiting, owners, taken = touching.tolist(), [], []
    while waiting:
        box = max(waiting, key=lambda index: (best[index], -index))
        waiting.remove(box)
        if best[box] <= 0:
            break
        owners.append(box)
        taken.append(anchor_of[box])
        iou[:, taken[-1]] = -1
        for loser in [other for other in waiting if anchor_of[other] == taken[-1]]:
            value, index = iou[loser].max(dim=0)
            best[loser], anchor_of[loser] = float(value), int(index)
    pairs = torch.tensor([owners, taken], dtype=torch.int64, device=iou.device)
    return pairs[0], pairs[1]
