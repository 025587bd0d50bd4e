"""Image classification: a picture in; the probability of each class out.

images → model → logits [B, K] ─┬→ cross-entropy
                                └→ softmax → probabilities → accuracy, precision, recall
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from manako.decoders.classification import probabilities
from manako.losses.classification import cross_entropy
from manako.metrics.classification import ClassificationMetric
from manako.structures import ClassPrediction, ClassTarget, Frame


@dataclass(frozen=True)
class Classification:
    """One label for a whole picture."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    name: str = "classification"

    @property
    def thresholds(self) -> Mapping[str, float]:
        """None: the most probable class is the answer."""
        return {}

    def loss(self, raw: Tensor, targets: Sequence[ClassTarget]) -> dict[str, Tensor]:
        """Cross-entropy, with smoothed labels where asked for."""
        return cross_entropy(raw, targets, label_smoothing=self.label_smoothing)

    def weight(self, targets: Sequence[ClassTarget]) -> float:
        """Pictures."""
        return len(targets)

    def decode(self, raw: Tensor, frames: Sequence[Frame]) -> Sequence[ClassPrediction]:
        """Softmax over the logits."""
        return probabilities(raw)

    def mean_of_mirrored(self, raw: Tensor, raw_of_mirrored: Tensor) -> Tensor:
        """The mean of the logits: a class does not depend on left and right."""
        return (raw + raw_of_mirrored) / 2

    def metric(self) -> ClassificationMetric:
        """Accuracy, precision, recall, F1, confusion."""
        return ClassificationMetric(self.classes)
