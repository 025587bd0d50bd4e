"""Object detection: a picture in; scored, labelled boxes out.

images → model → AnchorRaw ─┬→ multi-box loss → {"class": scalar, "box": scalar}
                            └→ softmax, box decoding, NMS → Detections → AP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from manako.decoders.detection import decode_detections
from manako.errors import UsageError
from manako.losses.detection import count_positives, multibox_loss
from manako.metrics.detection import DetectionMetric
from manako.structures import AnchorRaw, BoxTargets, Detections, Frame


@dataclass(frozen=True)
class Detection:
    """Boxes around the objects in a picture, each with a class and a score."""

    classes: tuple[str, ...]
    score_threshold: float = 0.01
    iou_threshold: float = 0.45
    name: str = "detection"

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The least score of a box, and the overlap from which one suppresses another."""
        return {"score_threshold": self.score_threshold, "iou_threshold": self.iou_threshold}

    def loss(self, raw: AnchorRaw, targets: Sequence[BoxTargets]) -> dict[str, Tensor]:
        """Class and box loss over matched anchors and hard negatives."""
        return multibox_loss(raw, targets)

    def weight(self, raw: AnchorRaw, targets: Sequence[BoxTargets]) -> float:
        """Anchors that answer for an object."""
        return count_positives(raw.anchors_xyxy, targets)

    def decode(self, raw: AnchorRaw, frames: Sequence[Frame]) -> Sequence[Detections]:
        """Boxes in pixels of the original pictures, overlapping ones of a class suppressed."""
        return decode_detections(
            raw,
            frames,
            score_threshold=self.score_threshold,
            iou_threshold=self.iou_threshold,
        )

    def mean_of_mirrored(self, raw: AnchorRaw, raw_of_mirrored: AnchorRaw) -> AnchorRaw:
        """Refused: the boxes of two pictures are not averaged anchor by anchor."""
        raise UsageError(
            "averaging over mirrored pictures is not defined for detection",
            fix="leave --mirror out",
        )

    def metric(self) -> DetectionMetric:
        """Average precision by COCO's definition."""
        return DetectionMetric(self.classes)
