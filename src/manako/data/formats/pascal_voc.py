"""Detection: pictures with an XML file of boxes each, as in the Pascal VOC challenges.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and its
development kit. Its coordinates count pixels from 1 and name the last pixel inside, so a box
spans `xmin - 1` to `xmax` in the continuous coordinates used here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import torch
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from manako.data.dataset import Dataset, Item
from manako.data.decode import image_size_hw
from manako.data.files import FileTree
from manako.data.names import WHOLE, composed, is_picture, listed, nearest, stem, suffix
from manako.data.text import decoded, read_limited
from manako.errors import DataError
from manako.structures import BoxTargets

SLACK_PIXELS = 2.0
"""How far a box may reach over the edge and be clipped; further is an error."""
MOST_XML_BYTES = 16 * 2**20
"""The largest annotation that is parsed; a box takes some 300 bytes."""
MOST_PIXELS_A_SIDE = 10**6


@dataclass(frozen=True)
class PascalVoc:
    """`JPEGImages/1.jpg`, `Annotations/1.xml` and lists of names `ImageSets/Main/train.txt`.

    The folders may lie within one more (`VOC2007/`). Without lists all annotated pictures are
    one set; `trainval.txt` counts as train where train and val have no lists. Boxes without an
    area are left out with a note; difficult objects are ignored, neither asked for nor counted.
    """

    name: str = "Pascal VOC"
    looks_for: str = "JPEGImages/ and Annotations/*.xml, with lists in ImageSets/Main/"

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without these folders. Errors: DataError naming the file."""
        top = _top(files)
        if top is None:
            return None
        pictures = _by_stem(files, top + "JPEGImages/")
        notes = _Notes()
        splits = {
            split: tuple(_annotated(files, top, picture, notes) for picture in found)
            for split, found in _listed_pictures(files, top, pictures, notes).items()
        }
        names = {box.name for items in splits.values() for item in items for box in item.boxes}
        classes = tuple(sorted(names))
        if not classes:
            raise DataError(f"{files.root}: no annotation holds an object with a box")
        labels = {name: label for label, name in enumerate(classes)}
        return Dataset(
            task="detection",
            classes=classes,
            splits={
                split: tuple(annotated.item(labels) for annotated in items)
                for split, items in splits.items()
            },
            files=files,
            format=self.name,
            notes=notes.lines(),
        )


class _Box(NamedTuple):
    name: str
    xyxy: tuple[float, float, float, float]
    is_difficult: bool


class _Annotated(NamedTuple):
    """A picture and what its annotation says."""

    image: str
    size_hw: tuple[int, int]
    boxes: tuple[_Box, ...]

    def item(self, labels: Mapping[str, int]) -> Item:
        boxes = torch.tensor([box.xyxy for box in self.boxes], dtype=torch.float32)
        truth = BoxTargets(
            boxes.reshape(-1, 4),
            torch.tensor([labels[box.name] for box in self.boxes], dtype=torch.int64),
            torch.tensor([box.is_difficult for box in self.boxes], dtype=torch.bool),
        )
        return Item(self.image, truth, size_hw=self.size_hw)


@dataclass
class _Notes:
    """What was put right while reading."""

    unlisted: int = 0
    without_area: Counter[str] = field(default_factory=Counter)
    clipped: Counter[str] = field(default_factory=Counter)

    def lines(self) -> tuple[str, ...]:
        notes = []
        if self.unlisted:
            notes.append(f"{self.unlisted:,} annotated pictures are in no list and left out")
        if self.without_area:
            notes.append(
                f"{self.without_area.total():,} boxes without an area are left out: "
                f"{listed(sorted(self.without_area))}"
            )
        if self.clipped:
            notes.append(
                f"{self.clipped.total():,} boxes reached less than {SLACK_PIXELS:g} pixels over "
                f"the edge and are clipped: {listed(sorted(self.clipped))}"
            )
        return tuple(notes)


def _top(files: FileTree) -> str | None:
    """The folder that holds JPEGImages and Annotations, with a slash; None if there is none."""
    pictures = {_before(path, "JPEGImages/") for path in files.paths if "JPEGImages/" in path}
    annotated = {_before(path, "Annotations/") for path in files.paths if suffix(path) == ".xml"}
    tops = sorted(top for top in pictures & annotated if top is not None and top.count("/") <= 1)
    if len(tops) > 1:
        raise DataError(
            f"{files.root} holds more than one data set: {listed(tops)}", fix="give one's path"
        )
    return tops[0] if tops else None


def _before(path: str, folder: str) -> str | None:
    start = f"/{path}".find(f"/{folder}")
    return path[:start] if start >= 0 else None


def _by_stem(files: FileTree, folder: str) -> dict[str, str]:
    """Name without ending -> picture."""
    found: dict[str, str] = {}
    for path in files.paths:
        if path.startswith(folder) and is_picture(path):
            name = stem(path)[len(folder) :]
            if name in found:
                raise DataError(
                    f"{found[name]} and {path} have one name", fix="rename one with its annotation"
                )
            found[name] = path
    return found


def _listed_pictures(
    files: FileTree, top: str, pictures: Mapping[str, str], notes: _Notes
) -> dict[str, list[str]]:
    """Split -> pictures, in the order of the lists."""
    lists = {
        split: f"{top}ImageSets/Main/{split}.txt"
        for split in ("train", "val", "test", "trainval")
        if f"{top}ImageSets/Main/{split}.txt" in files.sizes
    }
    if "train" in lists or "val" in lists:
        lists.pop("trainval", None)
    elif "trainval" in lists:
        lists["train"] = lists.pop("trainval")
    annotated = [name for name in pictures if f"{top}Annotations/{name}.xml" in files.sizes]
    if not lists:
        return {WHOLE: [pictures[name] for name in annotated]}
    splits = {split: _from_list(files, path, pictures) for split, path in lists.items()}
    named = {path for found in splits.values() for path in found}
    notes.unlisted = sum(pictures[name] not in named for name in annotated)
    return {split: found for split, found in splits.items() if found}


def _from_list(files: FileTree, path: str, pictures: Mapping[str, str]) -> list[str]:
    text = decoded(read_limited(files, path), path)
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        name = composed(line.strip())
        if not name:
            continue
        picture = pictures.get(name) or pictures.get(stem(name) if is_picture(name) else name)
        if picture is None:
            raise DataError(
                f"{path}:{number} names {name}, which is not in JPEGImages",
                fix=nearest(name, pictures) or "add the picture or remove the line",
            )
        found.append(picture)
    return found


def _annotated(files: FileTree, top: str, picture: str, notes: _Notes) -> _Annotated:
    folder = f"{top}JPEGImages/"
    path = f"{top}Annotations/{picture[len(folder) : len(picture) - len(suffix(picture))]}.xml"
    if path not in files.sizes:
        raise DataError(f"{picture} has no annotation", expected=path, fix="add it")
    root = _parsed(files, path)
    size_hw = _size_hw(root, path) or image_size_hw(files.read(picture), picture)
    boxes = (_box(element, path, size_hw, notes) for element in root.iter("object"))
    return _Annotated(picture, size_hw, tuple(box for box in boxes if box is not None))


def _parsed(files: FileTree, path: str) -> Element:
    try:
        root: Element = fromstring(read_limited(files, path, MOST_XML_BYTES), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"{path} cannot be read as XML: {error}", fix="correct the file") from error
    return root


def _size_hw(root: Element, path: str) -> tuple[int, int] | None:
    """The picture's height and width as annotated; None where they are left out or zero."""
    sides = [root.findtext(f"size/{name}", "").strip() or "0" for name in ("height", "width")]
    try:
        height, width = (int(side) for side in sides)
    except ValueError as error:
        raise DataError(
            f"{path} states the size {sides[1]} x {sides[0]}", expected="whole pixels"
        ) from error
    if max(height, width) > MOST_PIXELS_A_SIDE:
        raise DataError(
            f"{path} states a side of more than {MOST_PIXELS_A_SIDE:,} pixels",
            fix="correct the size",
        )
    return (height, width) if height > 0 and width > 0 else None


def _box(element: Element, path: str, size_hw: tuple[int, int], notes: _Notes) -> _Box | None:
    """One object; None, with a note, if its box has no area."""
    name = composed(element.findtext("name", "").strip())
    if not name:
        raise DataError(f"{path} has an object without a name", fix="correct the file")
    xmin, ymin, xmax, ymax = (
        _number(element, side, path) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    outside = (xmin - 1, ymin - 1, xmax, ymax)
    if not all(map(math.isfinite, outside)) or not _has_area(outside):
        notes.without_area[path] += 1
        return None
    height, width = size_hw
    inside = (max(xmin - 1, 0.0), max(ymin - 1, 0.0), min(xmax, width), min(ymax, height))
    over = max(abs(a - b) for a, b in zip(inside, outside, strict=True))
    if over >= SLACK_PIXELS:
        raise DataError(
            f"{path}: the box ({xmin:g}, {ymin:g}, {xmax:g}, {ymax:g}) of {name!r} reaches "
            f"{over:g} pixels out of the picture of {width} x {height}",
            fix="correct the box, or the size if the picture was turned or scaled",
        )
    if not _has_area(inside):
        notes.without_area[path] += 1
        return None
    if over > 0:
        notes.clipped[path] += 1
    return _Box(name, inside, element.findtext("difficult", "0").strip() == "1")


def _has_area(box_xyxy: tuple[float, float, float, float]) -> bool:
    x1, y1, x2, y2 = box_xyxy
    return x2 > x1 and y2 > y1


def _number(element: Element, side: str, path: str) -> float:
    text = element.findtext(f"bndbox/{side}", "").strip()
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{path} has a box with {side} {text!r}", expected="a number") from error
