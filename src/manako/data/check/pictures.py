"""One picture, decoded whole and looked at: can it be used, what is odd about it, how it looks.

What is kept of a picture are a few hundred bytes, so that sets of any size can be compared:
`digest`, a BLAKE2b of size and pixels, and `small`, the picture squeezed to 16 x 16 RGB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from manako.data.dataset import Item, load_sample
from manako.data.decode import stored_form
from manako.data.files import FileTree
from manako.data.names import suffix
from manako.errors import ManakoError, ResourceError
from manako.structures import IGNORE, BoxTargets, MaskTarget, Sample

SMALL = 16
"""Side of the small picture."""

TINY_SIDE = 16
HUGE_PIXELS = 20_000_000

_ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_TURNS = {
    2: "left to right",
    3: "by 180°",
    4: "top to bottom",
    5: "by 90° and mirrored",
    6: "by 90°",
    7: "by 270° and mirrored",
    8: "by 270°",
}


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What a mask holds: the classes in it, and the share of its pixels that do not count."""

    classes: tuple[int, ...]
    ignored_share: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a picture: an `error`, or everything else.

    An error `is_passing` if the machine failed and not the picture: the next look may find none.
    `small` are the bytes [16, 16, 3] of the small picture; `oddities` are pairs of a kind (see
    `report.ODDITIES`) and what it is in this picture.
    """

    error: str = ""
    is_passing: bool = False
    size_hw: tuple[int, int] = (0, 0)
    digest: bytes = b""
    small: bytes = b""
    oddities: tuple[tuple[str, str], ...] = ()
    mask: MaskFacts | None = None


def see(files: FileTree, item: Item) -> Seen:
    """Decode a picture with its truth and describe it; what cannot be used has an `error`."""
    try:
        sample = load_sample(files, item)
        data = files.read(item.image)
        oddities = tuple(_oddities(data, item, sample))
    except (ManakoError, MemoryError) as error:
        return _unseen(error, item)
    pixels = sample.image.numpy()
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return Seen(
        size_hw=sample.size_hw,
        digest=digest.digest(),
        small=squeezed(pixels, SMALL).tobytes(),
        oddities=oddities,
        mask=_mask_facts(sample),
    )


def _unseen(error: ManakoError | MemoryError, item: Item) -> Seen:
    cause = error.__cause__
    if isinstance(error, MemoryError) or isinstance(cause, MemoryError):
        return Seen(f"{item.image} takes more memory than there is", is_passing=True)
    # The system numbers its errors, such as a permission that is missing; Pillow numbers none.
    of_system = isinstance(cause, OSError) and cause.errno is not None
    return Seen(error.what, is_passing=of_system or isinstance(error, ResourceError))


def squeezed(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture [3, H, W] at `side` x `side` pixels, uint8 [side, side, 3], whatever its shape."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    # A triangle filter as wide as the step between samples, so that the size of the original and
    # the grid of its pixels matter little; very large pictures are first averaged in blocks.
    small = picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=4.0)
    return np.asarray(small)


def _oddities(data: bytes, item: Item, sample: Sample) -> Iterator[tuple[str, str]]:
    form = stored_form(data, item.image)
    height, width = sample.size_hw
    if suffix(item.image) not in _ENDINGS[form.format]:
        yield "ending", f"its content is {form.format}"
    if form.is_deep:
        yield "deep", f"mode {form.mode}"
    if form.mode == "CMYK":
        yield "cmyk", "CMYK"
    if form.is_transparent:
        yield "transparent", f"mode {form.mode}"
    if form.frames > 1:
        yield "animated", f"{form.frames:,} frames"
    if form.orientation in _TURNS:
        yield "turned", f"turned {_TURNS[form.orientation]}"
    if min(height, width) < TINY_SIDE:
        yield "tiny", f"{width} x {height}"
    if height * width > HUGE_PIXELS:
        yield "huge", f"{width:,} x {height:,}"
    if sample.image.flatten(1).amin(1).equal(sample.image.flatten(1).amax(1)):
        yield "blank", ""
    if isinstance(sample.target, BoxTargets):
        yield from _box_oddities(sample.target, height, width)


def _box_oddities(boxes: BoxTargets, height: int, width: int) -> Iterator[tuple[str, str]]:
    """Boxes that no detector can learn from; a reader may have refused or clipped some before."""
    x1, y1, x2, y2 = boxes.boxes_xyxy.unbind(1)
    empty = ~((x2 > x1) & (y2 > y1))
    outside = (x1 < 0) | (y1 < 0) | (x2 > width) | (y2 > height)
    tiny = ~empty & (torch.minimum(x2 - x1, y2 - y1) < TINY_BOX_PIXELS)
    for kind, found in (("box_empty", empty), ("box_outside", outside), ("box_tiny", tiny)):
        if found.any():
            yield kind, f"{int(found.sum())} of {len(boxes)} boxes"
    if not len(boxes):
        yield "boxless", ""


TINY_BOX_PIXELS = 3.0
"""Boxes with a shorter side hardly show what they hold."""


def _mask_facts(sample: Sample) -> MaskFacts | None:
    if not isinstance(sample.target, MaskTarget):
        return None
    counts = torch.bincount(sample.target.mask.flatten(), minlength=256)
    ignored = int(counts[IGNORE]) / sample.target.mask.numel()
    counts[IGNORE] = 0
    return MaskFacts(tuple(counts.nonzero().flatten().tolist()), round(ignored, 4))
