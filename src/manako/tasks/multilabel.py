"""Several labels for a picture: a picture in; for each class the probability that it is shown.

images → model → logits [B, K] ─┬→ binary cross-entropy, that of auxiliary logits beside it
                                └→ sigmoid → probabilities → average precision, F1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from manako.decoders.labels import label_probabilities
from manako.losses.classification import binary_cross_entropy, with_auxiliary
from manako.metrics.labels import LabelsMetric
from manako.structures import ClassRaw, Frame, LabelsPrediction, LabelsTarget


@dataclass(frozen=True)
class Multilabel:
    """Any number of labels for a whole picture, none to all of them.

    Logits are divided by `temperature` before they become probabilities.
    """

    classes: tuple[str, ...]
    class_weights: tuple[float, ...] | None = None
    temperature: float = 1.0
    name: str = "multilabel"

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The temperature, where there is one; a label is said from one half on."""
        return {} if self.temperature == 1 else {"temperature": self.temperature}

    def loss(self, raw: Tensor | ClassRaw, targets: Sequence[LabelsTarget]) -> dict[str, Tensor]:
        """Binary cross-entropy, weighted where asked for; of auxiliary logits, too."""
        weights = None if self.class_weights is None else torch.tensor(self.class_weights)
        of_logits = partial(binary_cross_entropy, targets=targets, class_weights=weights)
        return with_auxiliary(raw, of_logits)

    def weight(self, raw: Tensor | ClassRaw, targets: Sequence[LabelsTarget]) -> float:
        """Pictures."""
        return len(targets)

    def decode(self, raw: Tensor | ClassRaw, frames: Sequence[Frame]) -> Sequence[LabelsPrediction]:
        """The sigmoid of each logit."""
        return label_probabilities(ClassRaw.of(raw).logits, temperature=self.temperature)

    def mean_of_mirrored(
        self, raw: Tensor | ClassRaw, raw_of_mirrored: Tensor | ClassRaw
    ) -> Tensor:
        """The mean of the logits: a label does not depend on left and right."""
        return (ClassRaw.of(raw).logits + ClassRaw.of(raw_of_mirrored).logits) / 2

    def metric(self) -> LabelsMetric:
        """Average precision, F1, exact matches."""
        return LabelsMetric(self.classes)
