"""One picture with its truth, and many of them in one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError
from manako.structures.frame import Frame
from manako.structures.targets import BoxTargets, MaskTarget, Target


@dataclass(frozen=True)
class Sample:
    """A decoded picture.

    `image` uint8 [C, H, W] (C is 3 for RGB, 1 for grey); `target` is None where the truth is not
    known; `name` is the picture's path inside its data set.
    """

    image: Tensor
    target: Target | None
    name: str

    def __post_init__(self) -> None:
        if (
            self.image.ndim != 3
            or self.image.dtype != torch.uint8
            or self.image.shape[0] not in (1, 3)
        ):
            raise ShapeError(
                f"{self.name}: an image must be uint8 of shape (1 or 3, H, W), not "
                f"{self.image.dtype} of shape {tuple(self.image.shape)}"
            )
        if isinstance(self.target, MaskTarget) and self.target.mask.shape != self.image.shape[1:]:
            raise ShapeError(
                f"{self.name}: the mask is {tuple(self.target.mask.shape)} pixels (height, width), "
                f"the picture {self.size_hw}"
            )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.image.shape[1]), int(self.image.shape[2])


@dataclass(frozen=True)
class Batch:
    """B pictures of one size.

    `images` uint8 [B, C, H, W]; `frames` lead back to the original pictures; `names` are their
    paths. In a batch for training the `targets` belong to the network's input (boxes in its pixels,
    masks of its size), in one for evaluation to the original pictures, where they are scored.
    """

    images: Tensor
    targets: tuple[Target | None, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            raise ShapeError(
                f"images must be uint8 of shape (B, C, H, W), not {self.images.dtype} of shape "
                f"{tuple(self.images.shape)}"
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
