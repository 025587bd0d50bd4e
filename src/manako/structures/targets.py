"""What is true of a picture: a class, boxes, or a map of classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError

IGNORE = 255
"""The value of pixels whose class is unknown; they are neither learned from nor scored."""


@dataclass(frozen=True)
class ClassTarget:
    """The class of a picture: an index into the class names."""

    label: int

    def __post_init__(self) -> None:
        if self.label < 0:
            raise ShapeError(f"a label must be 0 or more, not {self.label}")


@dataclass(frozen=True)
class MixedTarget:
    """A training picture made of two: `label` with the weight `share`, `other` with the rest."""

    label: int
    other: int
    share: float

    def __post_init__(self) -> None:
        if min(self.label, self.other) < 0 or not 0 <= self.share <= 1:
            raise ShapeError(
                f"labels {self.label} and {self.other} cannot share a picture by {self.share}"
            )


@dataclass(frozen=True)
class LabelsTarget:
    """All classes that a picture shows, none to all of them: indices in rising order."""

    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(label < 0 for label in self.labels) or list(self.labels) != sorted(set(self.labels)):
            raise ShapeError(f"labels must be different, 0 or more and rising, not {self.labels}")


@dataclass(frozen=True)
class BoxTargets:
    """What is in one picture.

    `boxes_xyxy` [N, 4] float32 in pixels of the picture they belong to; `labels` [N] int64 in
    0..K-1, without a background class; `ignored` [N] bool marks crowds and difficult objects,
    which are neither asked for nor counted as mistakes when found.

    >>> BoxTargets(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))
    Traceback (most recent call last):
    manako.errors.ShapeError: boxes_xyxy must have shape (2, 4), not (2, 5)
    """

    boxes_xyxy: Tensor
    labels: Tensor
    ignored: Tensor | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.boxes_xyxy.shape != (count, 4):
            raise ShapeError(
                f"boxes_xyxy must have shape ({count}, 4), not {tuple(self.boxes_xyxy.shape)}"
            )
        if self.labels.dtype != torch.int64:
            raise ShapeError(f"labels must be int64, not {self.labels.dtype}")
        if self.ignored is not None and (
            self.ignored.shape != (count,) or self.ignored.dtype != torch.bool
        ):
            raise ShapeError(f"ignored must be bool of shape ({count},)")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def ignored_mask(self) -> Tensor:
        """`ignored` as a tensor [N] bool, all False where nothing is ignored."""
        if self.ignored is None:
            return torch.zeros(len(self.labels), dtype=torch.bool)
        return self.ignored

    def select(self, keep: Tensor) -> BoxTargets:
        """The boxes for which `keep` [N] bool holds."""
        return BoxTargets(self.boxes_xyxy[keep], self.labels[keep], self.ignored_mask[keep])

    def with_boxes(self, boxes_xyxy: Tensor) -> BoxTargets:
        """The same objects at other places."""
        return BoxTargets(boxes_xyxy, self.labels, self.ignored)


@dataclass(frozen=True)
class MaskTarget:
    """The class of each pixel: `mask` [H, W] uint8, `IGNORE` where it is unknown."""

    mask: Tensor

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != torch.uint8:
            raise ShapeError(
                f"a mask must be uint8 of shape (H, W), not {self.mask.dtype} of shape "
                f"{tuple(self.mask.shape)}"
            )


Target = ClassTarget | MixedTarget | LabelsTarget | BoxTargets | MaskTarget
