"""Augmentations by name: what a picture may go through without becoming another thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from manako.data.transforms.affine import FILLS, Fill, RandomAffine
from manako.data.transforms.colour import ColourJitter
from manako.data.transforms.geometry import Rule
from manako.data.transforms.moves import (
    AlternatingFlip,
    HorizontalFlip,
    PadAndCrop,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.data.transforms.noise import GaussianNoise, RandomErasing
from manako.data.transforms.operations import RAND_STEPS, AutoAugment, RandAugment
from manako.data.transforms.pipeline import Transform
from manako.data.transforms.policies import POLICIES
from manako.errors import UnknownName, UsageError

Augmentation = Literal["photo", "characters", "randaugment", "autoaugment", "none"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

TASKS = ("classification", "multilabel", "detection", "segmentation")

SMALL_PIXELS = 64
"""Up to this side a photo is shifted and mirrored; parts of a larger one are enlarged."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "shift": (0, 0.5),
    "rotate_degrees": (0, 180),
    "shear_degrees": (0, 60),
    "min_scale": (0.05, 20),
    "max_scale": (0.05, 20),
    "stretch": (0, 0.9),
    "min_area": (0.01, 1),
    "brightness": (0, 10),
    "contrast": (0, 10),
    "saturation": (0, 10),
    "hue": (0, 0.5),
    "noise": (0, 255),
    "erase": (0, 1),
    "operations": (0, 14),
    "magnitude": (0, RAND_STEPS),
}


@dataclass(frozen=True)
class Strengths:
    """The numbers of an augmentation; those of a fresh record change nothing.

    `flip` mirrors every second picture at random, or with `alternate_flip` in every second epoch;
    `vertical_flip` turns half of them upside down. `shift` is a share of the side, `scale` a factor
    between `min_scale` and `max_scale`, `stretch` how far the factor of each axis is from 1.
    `min_area` is the smallest part of a picture, as a share, that is cut out and enlarged
    (classification only). Brightness, contrast, saturation and hue are those of `ColourJitter`;
    `noise` is a standard deviation in grey levels, `erase` the probability of a `RandomErasing`.
    So many `operations` of RandAugment have the `magnitude` 0 to 30; `policy` is one of
    AutoAugment's, or "". `fill` says what comes in where a picture is shifted or turned away.
    """

    flip: bool = False
    alternate_flip: bool = False
    vertical_flip: bool = False
    shift: float = 0.0
    rotate_degrees: float = 0.0
    shear_degrees: float = 0.0
    min_scale: float = 1.0
    max_scale: float = 1.0
    stretch: float = 0.0
    min_area: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    noise: float = 0.0
    erase: float = 0.0
    operations: int = 0
    magnitude: int = 9
    policy: str = ""
    fill: Fill = "edge"

    def changed(self, options: Mapping[str, float | bool | str]) -> Strengths:
        """These strengths with some replaced.

        Errors: UnknownName for an option that there is not, UsageError for a value that it cannot
        have, and for one that changes nothing beside the others.
        """
        known = {field.name: field.type for field in fields(self)}
        values: dict[str, Any] = {}
        for name, value in options.items():
            if name not in known:
                raise UnknownName("augmentation option", name, known)
            values[name] = _checked(name, str(known[name]), value)
        changed = replace(self, **values)
        if changed.min_scale > changed.max_scale:
            raise UsageError(
                f"min_scale {changed.min_scale:g} is above max_scale {changed.max_scale:g}",
                fix="give both",
            )
        for name, value in values.items():
            needed = changed._idle(name)
            if needed and value != getattr(self, name):
                raise UsageError(f"{name} does nothing without {needed}", fix="give both, or none")
        return changed

    def _idle(self, name: str) -> str:
        """What an option lacks to change anything; "" where it lacks nothing."""
        if name == "magnitude" and not self.operations:
            return "operations"
        if name == "alternate_flip" and self.alternate_flip and not self.flip:
            return "flip"
        moves = self.shift or self.rotate_degrees or self.shear_degrees or self.stretch
        if name == "fill" and not moves and self.min_scale == self.max_scale == 1:
            return "a shift, a rotation or a scale"
        return ""


def strengths(name: str, task: str, size_hw: tuple[int, int]) -> Strengths:
    """The numbers of a preset for a task and a size (height, width) in pixels.

    Errors: UnknownName for name or task, UsageError for "characters" with boxes or masks.
    """
    if name not in AUGMENTATIONS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    dense = task in ("detection", "segmentation")
    if name == "none":
        return Strengths()
    if name == "characters":
        if dense:
            raise UsageError(
                f"augmentation 'characters' is not made for {task}",
                expected="'photo' or 'none'",
            )
        return _CHARACTERS
    small = max(size_hw) <= SMALL_PIXELS
    if dense:
        photo = _DETECTION if task == "detection" else _SEGMENTATION
    else:
        photo = _SMALL_PHOTO if small else _LARGE_PHOTO
    if name == "photo":
        return photo
    plain = replace(photo, brightness=0.0, contrast=0.0, saturation=0.0)
    if name == "randaugment":
        return replace(plain, operations=2)
    return replace(plain, policy="cifar10" if small else "imagenet")


def augmentation(
    name: str,
    task: str,
    size_hw: tuple[int, int],
    rule: Rule = "stretch",
    **options: float | bool | str,
) -> tuple[Transform, ...]:
    """The transforms of training; what comes out is exactly `size_hw` (height, width in pixels).

    * "none": the picture as validation sees it, laid into the input by `rule`.
    * "characters" (classification): turned by up to 10 degrees, slanted by up to 10, height and
      width each stretched by up to 15 %, shifted by up to 7 % of the side; nothing is mirrored, for
      a mirrored letter is another one or none.
    * "photo": classification of small pictures: shifts by up to 1/16 (2 pixels of 32; the usual 4
      suit a hundred passes over the data, for which a CPU seldom has time) and mirror images, in
      every second epoch; of larger ones: random resized crops (as wide for their height as what
      `rule` shows of the picture, give or take a third), mirror images, light colour jitter.
      Detection and segmentation: mirror images, random scale and crop around the fit of `rule`,
      light colour jitter.
    * "randaugment", "autoaugment": as "photo", with two operations of RandAugment or a policy of
      AutoAugment (found on CIFAR-10 for small pictures, on ImageNet for others) in place of the
      jitter.

    `options` replace numbers of the preset, which are the fields of `Strengths`: `flip=True` adds
    mirror images to "characters", `vertical_flip=True` upside-down ones to "photo", where up and
    down mean nothing, as under a microscope.

    Errors: UnknownName for name, task or option, UsageError for a value out of range, and for
    "characters" with boxes or masks.

    >>> augmentation("none", "detection", (300, 300))
    (Resize(size_hw=(300, 300), rule='stretch'),)
    >>> augmentation("none", "classification", (32, 32), flips=True)
    Traceback (most recent call last):
    manako.errors.UnknownName: no augmentation option 'flips'; did you mean 'flip'?
    """
    numbers = strengths(name, task, size_hw).changed(options)
    if task in ("detection", "segmentation"):
        if numbers.min_area < 1:
            raise UsageError(
                f"min_area has no use in {task}",
                fix="say by min_scale and max_scale how much is cropped",
            )
        moves = _dense_moves(numbers, size_hw, rule)
    else:
        moves = _moves(numbers, size_hw, rule)
    return (*moves, *_flips(numbers), *_looks(numbers))


_SMALL_PHOTO = Strengths(flip=True, alternate_flip=True, shift=1 / 16, fill="reflect")
_JITTERED = Strengths(flip=True, brightness=0.2, contrast=0.2, saturation=0.2)
_LARGE_PHOTO = replace(_JITTERED, min_area=0.35, fill="reflect")
_DETECTION = replace(_JITTERED, min_scale=0.6, max_scale=1.4, fill="zero")
_SEGMENTATION = replace(_JITTERED, min_scale=0.75, max_scale=1.5, fill="zero")
_CHARACTERS = Strengths(rotate_degrees=10, shear_degrees=10, stretch=0.15, shift=0.07)


def _moves(numbers: Strengths, size_hw: tuple[int, int], rule: Rule) -> tuple[Transform, ...]:
    """What moves the pixels of a picture to be classified."""
    first: Transform = Resize(size_hw, rule)
    if numbers.min_area < 1:
        area = (numbers.min_area, 1.0)
        first = RandomResizedCrop(size_hw, area, relative=rule == "stretch")
    return (first, *_affine(numbers, size_hw, (numbers.min_scale, numbers.max_scale)))


def _dense_moves(numbers: Strengths, size_hw: tuple[int, int], rule: Rule) -> tuple[Transform, ...]:
    """What moves pixels and truth where something is to be found in a picture."""
    first: Transform = Resize(size_hw, rule)
    scale = numbers.min_scale, numbers.max_scale
    if scale != (1, 1):
        first = ScaleAndCrop(size_hw, scale, rule)
    return (first, *_affine(numbers, size_hw, (1.0, 1.0)))


def _affine(
    numbers: Strengths, size_hw: tuple[int, int], scale: tuple[float, float]
) -> tuple[Transform, ...]:
    """One affine move, or, where pictures are only shifted, whole pixels: that is much faster."""
    if scale == (1, 1) and not (numbers.rotate_degrees or numbers.shear_degrees or numbers.stretch):
        pixels = max(1, round(min(size_hw) * numbers.shift))
        return (PadAndCrop(pixels, numbers.fill),) if numbers.shift else ()
    return (
        RandomAffine(
            rotate_degrees=numbers.rotate_degrees,
            scale=scale,
            stretch=(1 - numbers.stretch, 1 + numbers.stretch),
            shear_degrees=numbers.shear_degrees,
            shift=numbers.shift,
            fill=numbers.fill,
        ),
    )


def _flips(numbers: Strengths) -> tuple[Transform, ...]:
    flips: tuple[Transform, ...] = ()
    if numbers.flip:
        flips = (AlternatingFlip() if numbers.alternate_flip else HorizontalFlip(),)
    return (*flips, VerticalFlip()) if numbers.vertical_flip else flips


def _looks(numbers: Strengths) -> tuple[Transform, ...]:
    """What changes colours, or parts of the picture."""
    looks: list[Transform] = []
    if numbers.operations:
        looks.append(RandAugment(numbers.operations, numbers.magnitude))
    if numbers.policy:
        looks.append(AutoAugment(numbers.policy))
    jitter = (numbers.brightness, numbers.contrast, numbers.saturation, numbers.hue)
    if any(jitter):
        looks.append(ColourJitter(*jitter))
    if numbers.noise:
        looks.append(GaussianNoise(numbers.noise))
    if numbers.erase:
        looks.append(RandomErasing(numbers.erase))
    return tuple(looks)


def _checked(name: str, kind: str, value: float | bool | str) -> float | bool | str:
    """An option's value in the type of its field, `kind`."""
    words = {"policy": (*POLICIES, ""), "fill": FILLS}.get(name)
    if words is not None:
        if value not in words:
            raise _refused(name, value, " or ".join(map(repr, words)))
        return value
    if kind == "bool":
        if value not in (0, 1):
            raise _refused(name, value, "true or false")
        return bool(value)
    low, high = _RANGES[name]
    whole = kind == "int"
    if isinstance(value, bool | str) or not low <= value <= high or (whole and value % 1):
        raise _refused(name, value, f"a {'whole ' * whole}number from {low:g} to {high:g}")
    return int(value) if whole else float(value)


def _refused(name: str, value: float | bool | str, expected: str) -> UsageError:
    return UsageError(f"augmentation option {name} cannot be {value!r}", expected=expected)
