"""Where pixels go: one function moves a picture, its boxes and its mask alike.

Every move except a mirror image is a `Frame`: the picture is scaled to `content_hw`, and that
content is laid into an input of `input_hw` at `offset_yx`. An offset below zero, or content that
reaches past the input, is a crop; what the content leaves free is padding.

Pictures are scaled bilinearly with antialiasing, masks by taking the nearest pixel; both count
from the centres of pixels, so that they stay on top of each other.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from manako.errors import UsageError
from manako.structures import (
    IGNORE,
    BoxTargets,
    Frame,
    MaskTarget,
    Sample,
    Target,
    boxes_inside,
)

Rule = Literal["stretch", "letterbox", "crop"]
RULES: tuple[Rule, ...] = ("stretch", "letterbox", "crop")

PAD_LEVEL = 114
"""The grey of padding: 0.449 of white, the mean brightness of ImageNet's pictures."""

CROP_MARGIN = 8 / 7
"""How much larger than the input the "crop" rule makes a picture: 256 pixels for 224, as is usual
in scoring ImageNet."""


def frame_of(original_hw: tuple[int, int], input_hw: tuple[int, int], rule: Rule) -> Frame:
    """How a picture of `original_hw` comes to fill `input_hw` (pixels).

    A picture that has that size already stays as it is. Otherwise

    * "stretch" scales height and width each to fit,
    * "letterbox" scales both alike until the whole picture fits, and centres it,
    * "crop" scales both alike until the picture covers `CROP_MARGIN` times the input, and takes
      the centre.

    >>> frame_of((480, 640), (300, 300), "letterbox")
    Frame(original_hw=(480, 640), input_hw=(300, 300), content_hw=(225, 300), offset_yx=(38, 0))
    """
    if rule not in RULES:
        raise UsageError(f"rule {rule!r} is not known", expected=" or ".join(map(repr, RULES)))
    if original_hw == input_hw or rule == "stretch":
        return Frame(original_hw, input_hw, input_hw)
    ratios = [size / original for size, original in zip(input_hw, original_hw, strict=True)]
    if rule == "letterbox":
        scale = min(ratios)
        height, width = (max(1, round(side * scale)) for side in original_hw)
    else:
        scale = max(ratios) * CROP_MARGIN
        height, width = (round(side * scale) for side in original_hw)
    offset_yx = (round((input_hw[0] - height) / 2), round((input_hw[1] - width) / 2))
    return Frame(original_hw, input_hw, (height, width), offset_yx)


def lay(sample: Sample, frame: Frame, pad_level: int = PAD_LEVEL) -> Sample:
    """The sample as `frame` shows it: picture, boxes and mask at the input's size.

    Padding is `pad_level` in the picture and `IGNORE` in the mask. Where the frame crops, boxes
    whose centre is outside are dropped and the others clipped (SSD, arXiv:1512.02325, sec. 2.2);
    what is then less than a pixel wide or high is dropped too.
    """
    image = place(resize_image(sample.image, frame.content_hw), frame, pad_level)
    return Sample(image, _lay_target(sample.target, frame), sample.name)


def resize_image(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """An image uint8 [C, H, W] at another size, bilinear with antialiasing."""
    if tuple(image.shape[1:]) == size_hw:
        return image
    if size_hw[1] == 1:
        # torch's uint8 kernel (2.15, AVX2) is wrong where one column comes out.
        levels = image[None].float().contiguous()
        levels = interpolate(levels, size_hw, mode="bilinear", antialias=True)[0]
        return levels.round_().clamp_(0, 255).to(torch.uint8)
    batch = image[None]
    if image.stride(0) == 1:  # a part of an interleaved picture: to be resized as one, not planar
        batch = batch.contiguous(memory_format=torch.channels_last)
    return interpolate(batch, size_hw, mode="bilinear", antialias=True)[0]


def resize_mask(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A mask uint8 [H, W] at another size; each pixel takes the nearest one's class."""
    if tuple(mask.shape) == size_hw:
        return mask
    return interpolate(mask[None, None], size_hw, mode="nearest-exact")[0, 0]


def place(content: Tensor, frame: Frame, fill: int) -> Tensor:
    """Content [..., h, w], already of the frame's `content_hw`, laid into the frame's input.

    A pure crop is returned as a view.
    """
    (height, width), (top, left) = frame.input_hw, frame.offset_yx
    bottom, right = top + frame.content_hw[0], left + frame.content_hw[1]
    seen = content[..., max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    if top <= 0 and left <= 0 and bottom >= height and right >= width:
        return seen
    canvas = content.new_full((*content.shape[:-2], height, width), fill)
    canvas[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = seen
    return canvas


def kept_boxes(target: BoxTargets, size_hw: tuple[int, int]) -> BoxTargets:
    """The boxes whose centre lies inside a picture of `size_hw`, clipped to it."""
    x1, y1, x2, y2 = target.boxes_xyxy.unbind(dim=1)
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    inside = (centre_x >= 0) & (centre_x < size_hw[1]) & (centre_y >= 0) & (centre_y < size_hw[0])
    return boxes_inside(target.select(inside), size_hw)


def mirrored(sample: Sample, *, horizontally: bool) -> Sample:
    """The sample with left and right exchanged, or top and bottom."""
    dim = -1 if horizontally else -2
    target: Target | None = sample.target
    if isinstance(target, MaskTarget):
        target = MaskTarget(target.mask.flip(dim))
    elif isinstance(target, BoxTargets):
        boxes, size = target.boxes_xyxy, sample.image.shape[dim]
        # The new left side is where the old right side was, seen from the other end.
        order, low, high = ([2, 1, 0, 3], 0, 2) if horizontally else ([0, 3, 2, 1], 1, 3)
        boxes = boxes[:, order]
        boxes[:, [low, high]] = size - boxes[:, [low, high]]
        target = target.with_boxes(boxes)
    return Sample(sample.image.flip(dim), target, sample.name)


def _lay_target(target: Target | None, frame: Frame) -> Target | None:
    if isinstance(target, MaskTarget):
        return MaskTarget(place(resize_mask(target.mask, frame.content_hw), frame, IGNORE))
    if isinstance(target, BoxTargets):
        moved = target.with_boxes(frame.boxes_to_input(target.boxes_xyxy))
        return kept_boxes(moved, frame.input_hw) if _crops(frame) else moved
    return target


def _crops(frame: Frame) -> bool:
    sides = zip(frame.offset_yx, frame.content_hw, frame.input_hw, strict=True)
    return any(offset < 0 or offset + content > size for offset, content, size in sides)
