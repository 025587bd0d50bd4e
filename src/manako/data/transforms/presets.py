"""Augmentations by name: what a picture may go through without becoming another thing."""

from __future__ import annotations

from typing import Literal, get_args

from manako.data.transforms.colour import ColourJitter
from manako.data.transforms.geometry import Rule
from manako.data.transforms.moves import (
    HorizontalFlip,
    PadAndCrop,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.data.transforms.pipeline import Transform
from manako.errors import UnknownName, UsageError

Augmentation = Literal["photo", "characters", "none"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

SMALL_PIXELS = 64
"""Up to this side a photo is shifted and mirrored; parts of a larger one are enlarged."""


def augmentation(
    name: str,
    task: str,
    size_hw: tuple[int, int],
    rule: Rule = "stretch",
    *,
    vertical_flip: bool = False,
) -> tuple[Transform, ...]:
    """The transforms of training; what comes out is exactly `size_hw` (height, width in pixels).

    * "none": the picture as validation sees it, laid into the input by `rule`.
    * "characters" (classification): shifts by up to 1/14 of the side; nothing is mirrored, for a
      mirrored letter is another one or none.
    * "photo": classification of small pictures: shifts by up to 1/16 and mirror images (2 pixels
      of 32; the usual 4 suit a hundred passes over the data, for which a CPU seldom has time); of
      larger ones: random resized crops, mirror images, light colour jitter. Detection and
      segmentation: mirror images, random scale and crop around the fit of `rule`, light colour
      jitter.

    `vertical_flip` adds upside-down pictures to "photo", where up and down mean nothing, as under
    a microscope. Errors: UnknownName for name or task, UsageError for "characters" with another
    task.

    >>> augmentation("none", "detection", (300, 300))
    (Resize(size_hw=(300, 300), rule='stretch'),)
    """
    if name not in AUGMENTATIONS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    if task not in ("classification", "detection", "segmentation"):
        raise UnknownName("task", task, ("classification", "detection", "segmentation"))
    if name == "none":
        return (Resize(size_hw, rule),)
    if name == "characters":
        if task != "classification":
            raise UsageError(
                f"augmentation 'characters' is not made for {task}",
                expected="'photo' or 'none'",
            )
        return (Resize(size_hw, rule), PadAndCrop(_share(size_hw, 14), "edge"))
    flips: tuple[Transform, ...] = (HorizontalFlip(),)
    if vertical_flip:
        flips = (*flips, VerticalFlip())
    if task == "classification" and max(size_hw) <= SMALL_PIXELS:
        return (Resize(size_hw, rule), PadAndCrop(_share(size_hw, 16), "reflect"), *flips)
    if task == "classification":
        return (RandomResizedCrop(size_hw, area=(0.35, 1.0)), *flips, ColourJitter())
    scale = (0.6, 1.4) if task == "detection" else (0.75, 1.5)
    return (ScaleAndCrop(size_hw, scale, rule), *flips, ColourJitter())


def _share(size_hw: tuple[int, int], part: int) -> int:
    return max(1, round(min(size_hw) / part))
