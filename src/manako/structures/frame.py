"""How a picture was laid into the input of a network, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manako.errors import ShapeError


@dataclass(frozen=True)
class Frame:
    """Where the pixels of one picture went: input = original * scale + offset.

    `original_hw` is the picture's own size, `input_hw` the network's, `content_hw` the part of
    the input that shows the picture (the rest is padding), `offset_yx` its upper left corner.
    All in pixels. A negative offset or a content larger than the input is a crop.

    >>> frame = Frame((100, 200), input_hw=(50, 50), content_hw=(25, 50), offset_yx=(12, 0))
    >>> frame.boxes_to_original(torch.tensor([[0.0, 12.0, 50.0, 37.0]]))
    tensor([[  0.,   0., 200., 100.]])
    """

    original_hw: tuple[int, int]
    input_hw: tuple[int, int]
    content_hw: tuple[int, int]
    offset_yx: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for name in ("original_hw", "input_hw", "content_hw"):
            height, width = getattr(self, name)
            if height < 1 or width < 1:
                raise ShapeError(f"{name} must be at least 1 x 1 pixels, not {height} x {width}")

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Input pixels for each original pixel, vertically and horizontally."""
        return (
            self.content_hw[0] / self.original_hw[0],
            self.content_hw[1] / self.original_hw[1],
        )

    def boxes_to_input(self, boxes_xyxy: Tensor) -> Tensor:
        """Boxes [N, 4] of the original picture, in pixels of the network's input."""
        (sy, sx), (oy, ox) = self.scale_yx, self.offset_yx
        return boxes_xyxy * boxes_xyxy.new_tensor([sx, sy, sx, sy]) + boxes_xyxy.new_tensor(
            [ox, oy, ox, oy]
        )

    def boxes_to_original(self, boxes_xyxy: Tensor) -> Tensor:
        """Boxes [N, 4] of the network's input, in pixels of the original, clipped to it."""
        (sy, sx), (oy, ox) = self.scale_yx, self.offset_yx
        boxes = (boxes_xyxy - boxes_xyxy.new_tensor([ox, oy, ox, oy])) / boxes_xyxy.new_tensor(
            [sx, sy, sx, sy]
        )
        height, width = self.original_hw
        limit = boxes.new_tensor([width, height, width, height])
        return torch.minimum(boxes.clamp(min=0), limit)
