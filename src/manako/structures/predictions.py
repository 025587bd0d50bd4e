"""What a recognizer says of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError


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


@dataclass(frozen=True)
class LabelsPrediction:
    """`probabilities` [K] float32: of each class by itself, whether the picture shows it."""

    probabilities: Tensor

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1:
            raise ShapeError(
                f"probabilities must have shape (K,), not {tuple(self.probabilities.shape)}"
            )

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
