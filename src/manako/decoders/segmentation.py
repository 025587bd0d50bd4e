"""Logits of an input to the class of each pixel of the original picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from manako.decoders.finite import expect_finite
from manako.errors import ShapeError, UsageError
from manako.structures import IGNORE, Frame, LabelMap

BLOCK_ELEMENTS = 2**24
"""Resized logits held at a time (64 MiB): a large picture of many classes would fill the memory."""


def decode_maps(logits: Tensor, frames: Sequence[Frame]) -> list[LabelMap]:
    """The most probable class of each pixel, at the size of the original pictures.

    The padding is cut off, the logits are resized bilinearly (`align_corners=False`) to the
    original size, and only then is the class chosen; of equal logits the lower class.

    Args:
        logits: [B, K, H, W] at the network's input size, K at most 255.
        frames: how each of the B pictures was laid into the input; not cropped.

    Raises:
        ShapeError: logits that do not fit the frames.
        UsageError: a frame that crops: what it cut off was not seen and cannot be labelled.
        NumericError: logits that are not finite.

    >>> frame = Frame((2, 4), input_hw=(2, 2), content_hw=(1, 2))
    >>> logits = torch.tensor([[[[0.0, 0.0], [9.0, 9.0]], [[-1.0, 1.0], [0.0, 0.0]]]])
    >>> decode_maps(logits, [frame])[0].mask
    tensor([[0, 0, 1, 1],
            [0, 0, 1, 1]], dtype=torch.uint8)
    """
    if logits.ndim != 4 or not 1 <= logits.shape[1] <= IGNORE:
        raise ShapeError(
            f"logits must have shape (B, K, H, W) with K from 1 to {IGNORE}, "
            f"not {tuple(logits.shape)}"
        )
    if len(frames) != len(logits):
        raise ShapeError(f"{len(logits)} pictures came with {len(frames)} frames")
    for frame in frames:
        _check_frame(frame, (int(logits.shape[2]), int(logits.shape[3])))
    logits = expect_finite(logits, "logits")
    return [LabelMap(_decode_one(*pair)) for pair in zip(logits, frames, strict=True)]


def _decode_one(logits: Tensor, frame: Frame) -> Tensor:
    """The classes [H, W] of one picture from its logits [K, h, w], a few classes at a time."""
    (top, left), (height, width) = frame.offset_yx, frame.content_hw
    content = logits[:, top : top + height, left : left + width]
    rows, columns = frame.original_hw
    block = max(1, BLOCK_ELEMENTS // (rows * columns))
    best = content.new_full((rows, columns), -torch.inf)
    mask = torch.zeros((rows, columns), dtype=torch.uint8, device=content.device)
    for first in range(0, len(content), block):
        part = content[None, first : first + block]
        resized = F.interpolate(part, (rows, columns), mode="bilinear", align_corners=False)[0]
        value, index = resized.max(dim=0)
        better = value > best
        mask = torch.where(better, (index + first).to(torch.uint8), mask)
        best = torch.where(better, value, best)
    return mask.cpu()


def _check_frame(frame: Frame, input_hw: tuple[int, int]) -> None:
    if frame.input_hw != input_hw:
        raise ShapeError(
            f"logits of {input_hw} pixels (height, width) for an input of {frame.input_hw}"
        )
    for offset, content, whole in zip(frame.offset_yx, frame.content_hw, input_hw, strict=True):
        if offset < 0 or offset + content > whole:
            raise UsageError(
                "a label map cannot be made for a picture that was cropped to the input: "
                f"content {frame.content_hw} at {frame.offset_yx} of {input_hw}",
                expected="the whole picture inside the input",
                fix="prepare pictures with the rule 'stretch' or 'letterbox'",
            )
