"""What a recognizer says of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError

LABEL_FROM = 0.5
"""The probability from which on a picture is said to show a class, where it may show several."""


@dataclass(frozen=True)
class ClassPrediction:
    """`probabilities` [K] float32, one for each class, summing to one."""

    probabilities: Tensor

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1:
            raise ShapeError(
                f"probabilities must have shape (K,), not {tuple(self.probabilities.shape)}"
            )

    @property
    def label(self) -> int:
        """The most probable class; of equals, the first."""
        return int(torch.argmax(self.probabilities))

    @property
    def score(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    def is_unknown(self, below: float) -> bool:
        """Whether even the most probable class has a probability of less than `below`.

        >>> ClassPrediction(torch.tensor([0.5, 0.25, 0.25])).is_unknown(0.6)
        True
        """
        return self.score < below


@dataclass(frozen=True)
class LabelsPrediction:
    """`probabilities` [K] float32: of each class by itself, whether the picture shows it."""

    probabilities: Tensor

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1:
            raise ShapeError(
                f"probabilities must have shape (K,), not {tuple(self.probabilities.shape)}"
            )

    @property
    def labels(self) -> tuple[int, ...]:
        """The classes that the picture shows more likely than not, in rising order.

        >>> LabelsPrediction(torch.tensor([0.5, 0.1, 0.9])).labels
        (0, 2)
        """
        return self.above(LABEL_FROM)

    def above(self, probability: float) -> tuple[int, ...]:
        """The classes whose probability is at least `probability`, in rising order."""
        return tuple(torch.nonzero(self.probabilities >= probability).flatten().tolist())


@dataclass(frozen=True)
class Detections:
    """Objects found, the surest first.

    `boxes_xyxy` [N, 4] float32 in pixels of the original picture, `scores` [N] in 0..1,
    `labels` [N] int64.
    """

    boxes_xyxy: Tensor
    scores: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4):
            raise ShapeError(
                f"boxes_xyxy must have shape ({count}, 4), not {tuple(self.boxes_xyxy.shape)}"
            )
        if self.labels.shape != (count,) or self.labels.dtype != torch.int64:
            raise ShapeError(f"labels must be int64 of shape ({count},)")

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> Detections:
        """The objects whose score is at least `score`."""
        keep = self.scores >= score
        return Detections(self.boxes_xyxy[keep], self.scores[keep], self.labels[keep])


@dataclass(frozen=True)
class LabelMap:
    """`mask` [H, W] uint8: the class of each pixel, at the original picture's own size."""

    mask: Tensor

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != torch.uint8:
            raise ShapeError(
                f"a label map must be uint8 of shape (H, W), not {self.mask.dtype} of shape "
                f"{tuple(self.mask.shape)}"
            )


Prediction = ClassPrediction | LabelsPrediction | Detections | LabelMap
