"""One picture (or signal, or volume) with its truth, and many of them in one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError
from manako.structures.frame import Frame
from manako.structures.targets import BoxTargets, MaskTarget, Target


@dataclass(frozen=True)
class Sample:
    """A decoded picture, signal or volume.

    `image` is a picture's uint8 [C, H, W] (C is 3 for RGB, 1 for grey), or float32 [C, *size] of
    any channels and one to three sizes; `target` is None where the truth is not known; `name` is
    the path inside its data set.
    """

    image: Tensor
    target: Target | None
    name: str

    def __post_init__(self) -> None:
        picture = self.image.dtype == torch.uint8 and self.image.ndim == 3
        measured = self.image.dtype == torch.float32 and 2 <= self.image.ndim <= 4
        if not measured and not (picture and self.image.shape[0] in (1, 3)):
            raise ShapeError(
                f"{self.name}: an image must be uint8 of shape (1 or 3, H, W), not "
                f"{self.image.dtype} of shape {tuple(self.image.shape)}",
                expected="that, or float32 of shape (C, L), (C, H, W) or (C, D, H, W)",
            )
        if isinstance(self.target, MaskTarget) and self.target.mask.shape != self.image.shape[1:]:
            raise ShapeError(
                f"{self.name}: the mask is {tuple(self.target.mask.shape)} pixels (height, width), "
                f"the picture {self.size_hw}"
            )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels; a signal is one pixel high, of a volume a slice counts."""
        height = self.image.shape[-2] if self.image.ndim > 2 else 1
        return int(height), int(self.image.shape[-1])


@dataclass(frozen=True)
class Batch:
    """B pictures, signals or volumes of one size.

    `images` uint8 [B, C, H, W], or float32 [B, C, *size]; `frames` lead back to the original
    pictures; `names` are their paths. In a batch for training the `targets` belong to the network's
    input (boxes in its pixels, masks of its size), in one for evaluation to the original pictures,
    where they are scored.
    """

    images: Tensor
    targets: tuple[Target | None, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        picture = self.images.dtype == torch.uint8 and self.images.ndim == 4
        measured = self.images.dtype == torch.float32 and 3 <= self.images.ndim <= 5
        if not picture and not measured:
            raise ShapeError(
                f"images must be uint8 of shape (B, C, H, W), not {self.images.dtype} of shape "
                f"{tuple(self.images.shape)}",
                expected="that, or float32 of shape (B, C, L), (B, C, H, W) or (B, C, D, H, W)",
            )
        count = len(self.images)
        for field in ("targets", "frames", "names"):
            if len(getattr(self, field)) != count:
                raise ShapeError(
                    f"{field} must have {count} entries, not {len(getattr(self, field))}"
                )

    def __len__(self) -> int:
        return len(self.names)


def boxes_inside(
    target: BoxTargets, size_hw: tuple[int, int], least_side: float = 1.0
) -> BoxTargets:
    """Boxes clipped to a picture of `size_hw`; those left narrower than `least_side` pixels go."""
    height, width = size_hw
    limit = target.boxes_xyxy.new_tensor([width, height, width, height])
    boxes = torch.minimum(target.boxes_xyxy.clamp(min=0), limit)
    sides = boxes[:, 2:] - boxes[:, :2]
    return target.with_boxes(boxes).select((sides >= least_side).all(dim=1))
