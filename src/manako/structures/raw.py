"""What `forward` of a detector returns, in training and evaluation alike."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from manako.errors import ShapeError


@dataclass(frozen=True)
class AnchorRaw:
    """The raw output of an anchor-based detector. B pictures, A anchors, K classes.

    `class_logits` [B, A, K + 1], column 0 is the background; `offsets` [B, A, 4] are encoded
    boxes relative to `anchors_xyxy` [A, 4], which are in pixels of the network's input.
    """

    class_logits: Tensor
    offsets: Tensor
    anchors_xyxy: Tensor

    def __post_init__(self) -> None:
        pictures, anchors = self.class_logits.shape[:2]
        if self.offsets.shape != (pictures, anchors, 4):
            raise ShapeError(
                f"offsets must have shape ({pictures}, {anchors}, 4), "
                f"not {tuple(self.offsets.shape)}"
            )
        if self.anchors_xyxy.shape != (anchors, 4):
            raise ShapeError(
                f"anchors_xyxy must have shape ({anchors}, 4), not {tuple(self.anchors_xyxy.shape)}"
            )
