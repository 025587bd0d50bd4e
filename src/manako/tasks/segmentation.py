"""Semantic segmentation: a picture in; the class of each pixel out.

images → model → logits [B, K, h, w] ─┬→ cross-entropy over the known pixels
                                      └→ resize to the original, argmax → LabelMap → IoU
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from manako.decoders.segmentation import decode_maps
from manako.losses.segmentation import pixel_cross_entropy
from manako.metrics.segmentation import SegmentationMetric
from manako.structures import IGNORE, Frame, LabelMap, MaskTarget


@dataclass(frozen=True)
class Segmentation:
    """A class for every pixel."""

    classes: tuple[str, ...]
    name: str = "segmentation"

    @property
    def thresholds(self) -> Mapping[str, float]:
        """None: the most probable class is the answer."""
        return {}

    def loss(self, raw: Tensor, targets: Sequence[MaskTarget]) -> dict[str, Tensor]:
        """Cross-entropy over all pixels whose class is known."""
        return pixel_cross_entropy(raw, targets)

    def weight(self, raw: Tensor, targets: Sequence[MaskTarget]) -> float:
        """Pixels whose class is known."""
        return sum(int((target.mask != IGNORE).sum()) for target in targets)

    def decode(self, raw: Tensor, frames: Sequence[Frame]) -> Sequence[LabelMap]:
        """Maps at the original pictures' own sizes."""
        return decode_maps(raw, frames)

    def mean_of_mirrored(self, raw: Tensor, raw_of_mirrored: Tensor) -> Tensor:
        """The mean of the logits, the mirrored ones turned back."""
        return (raw + raw_of_mirrored.flip(-1)) / 2

    def metric(self) -> SegmentationMetric:
        """IoU for each class and their mean."""
        return SegmentationMetric(self.classes)
