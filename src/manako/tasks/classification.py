"""Image classification: a picture in; the probability of each class out.

images → model → logits [B, K] ─┬→ cross-entropy, that of auxiliary logits beside it
                                └→ softmax → probabilities → accuracy, precision, recall, …
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from manako.decoders.classification import probabilities
from manako.losses.classification import cross_entropy, with_auxiliary
from manako.metrics.classification import ClassificationMetric
from manako.structures import ClassPrediction, ClassRaw, ClassTarget, Frame, MixedTarget


@dataclass(frozen=True)
class Classification:
    """One label for a whole picture.

    Logits are divided by `temperature` before they become probabilities; pictures whose top
    probability is less than `unknown_below` may be answered with "unknown".
    """

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None  # in the loss, for each class
    temperature: float = 1.0
    unknown_below: float | None = None
    name: str = "classification"

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The temperature and the threshold of the unknown, where there are any."""
        temperature = {} if self.temperature == 1 else {"temperature": self.temperature}
        if self.unknown_below is None:
            return temperature
        return {**temperature, "unknown_below": self.unknown_below}

    def loss(
        self, raw: Tensor | ClassRaw, targets: Sequence[ClassTarget | MixedTarget]
    ) -> dict[str, Tensor]:
        """Cross-entropy, smoothed and weighted where asked for; of auxiliary logits, too."""
        weights = None if self.class_weights is None else torch.tensor(self.class_weights)
        of_logits = partial(
            cross_entropy,
            targets=targets,
            label_smoothing=self.label_smoothing,
            class_weights=weights,
        )
        return with_auxiliary(raw, of_logits)

    def weight(self, raw: Tensor | ClassRaw, targets: Sequence[ClassTarget | MixedTarget]) -> float:
        """Pictures, each counted by the weight of its class."""
        if self.class_weights is None:
            return len(targets)
        return math.fsum(self._weight(target) for target in targets)

    def _weight(self, target: ClassTarget | MixedTarget) -> float:
        assert self.class_weights is not None, "asked for where classes have weights"
        weight = self.class_weights[target.label]
        if isinstance(target, MixedTarget):
            return target.share * weight + (1 - target.share) * self.class_weights[target.other]
        return weight

    def decode(self, raw: Tensor | ClassRaw, frames: Sequence[Frame]) -> Sequence[ClassPrediction]:
        """Softmax over the logits."""
        return probabilities(ClassRaw.of(raw).logits, temperature=self.temperature)

    def mean_of_mirrored(
        self, raw: Tensor | ClassRaw, raw_of_mirrored: Tensor | ClassRaw
    ) -> Tensor:
        """The mean of the logits: a class does not depend on left and right."""
        return (ClassRaw.of(raw).logits + ClassRaw.of(raw_of_mirrored).logits) / 2

    def metric(self) -> ClassificationMetric:
        """Accuracy, precision, recall, F1, ROC area, calibration, confusion."""
        return ClassificationMetric(self.classes)
