"""Scores and offsets of anchors to objects in the original picture.

Liu et al. 2016 (https://arxiv.org/abs/1512.02325), section 3 ("inference time"): scores above
0.01, non-maximum suppression at an IoU of 0.45 for each class, the best 200 of a picture.

Shapes: B pictures, A anchors, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from manako.decoders.finite import expect_finite
from manako.errors import ShapeError, UsageError
from manako.ops.boxes import decode_boxes
from manako.ops.nms import nms_per_class
from manako.structures import AnchorRaw, Detections, Frame


def decode_detections(
    raw: AnchorRaw,
    frames: Sequence[Frame],
    *,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.45,
    per_class: int = 400,
    keep: int = 200,
) -> list[Detections]:
    """The objects of B pictures, in pixels of the originals, the surest first.

    Of each class the `per_class` best boxes with a score of at least `score_threshold` take part
    in non-maximum suppression; of all that stay, the best `keep` are given back. Boxes are clipped
    to the picture before; one of which nothing is left (it lies in the padding) is dropped. Of
    equal scores the lower anchor, then the lower class comes first. An anchor may speak for
    several classes, as in the paper.

    Raises:
        ShapeError: not one frame for each picture.
        UsageError: a parameter outside its range.
        NumericError: raw output that is not finite.

    >>> raw = AnchorRaw(torch.tensor([[[0.0, 9.0]]]), torch.zeros(1, 1, 4),
    ...                 torch.tensor([[1.0, 1.0, 3.0, 4.0]]))
    >>> decode_detections(raw, [Frame((20, 20), input_hw=(10, 10), content_hw=(10, 10))])
    [Detections(boxes_xyxy=tensor([[2., 2., 6., 8.]]), scores=tensor([0.9999]),
     labels=tensor([0]))]
    """
    if not 0 <= score_threshold <= 1:
        raise UsageError(f"a score threshold of {score_threshold}", expected="from 0 to 1")
    if per_class < 1 or keep < 1:
        raise UsageError(
            f"{per_class} boxes of each class and {keep} of all", expected="1 or more of each"
        )
    if len(frames) != len(raw.class_logits):
        raise ShapeError(f"{len(raw.class_logits)} pictures came with {len(frames)} frames")
    logits = expect_finite(raw.class_logits, "class logits")
    offsets = expect_finite(raw.offsets, "box offsets")
    # On to the CPU: its order of equal scores is defined, and small steps are faster there.
    scores = torch.softmax(logits, dim=2)[..., 1:].cpu()
    boxes = decode_boxes(offsets, raw.anchors_xyxy.float()).cpu()
    found = []
    for picture, frame in enumerate(frames):
        candidates = _candidates(
            frame.boxes_to_original(boxes[picture]), scores[picture], score_threshold, per_class
        )
        best = nms_per_class(*candidates, iou_threshold)[:keep]
        found.append(Detections(*(part[best] for part in candidates)))
    return found


def _candidates(
    boxes_xyxy: Tensor, scores: Tensor, score_threshold: float, per_class: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [N, 4], scores [N] and labels [N] worth a look, by anchor and then by class.

    From the boxes [A, 4] and scores [A, K] of one picture.
    """
    whole = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(dim=1)
    likely = (scores >= score_threshold) & whole[:, None]
    for label in torch.nonzero(likely.sum(dim=0) > per_class).flatten():
        members = torch.nonzero(likely[:, label]).flatten()
        order = torch.argsort(scores[members, label], descending=True, stable=True)
        likely[members[order[per_class:]], label] = False
    anchor, label = torch.nonzero(likely, as_tuple=True)
    return boxes_xyxy[anchor], scores[anchor, label], label
