"""Segmentation: pictures with a mask of the same name each, whose pixels are numbers of classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from manako.data.dataset import Dataset, Item, MaskFile
from manako.data.decode import decode_mask
from manako.data.evenly import evenly_spaced
from manako.data.files import FileTree
from manako.data.names import WHOLE, composed, is_picture, listed, split_name, stem
from manako.data.text import decoded, read_limited
from manako.errors import DataError
from manako.structures import IGNORE

KINDS = {"images": "images", "masks": "masks", "labels": "masks"}
"""Name of a folder -> what it holds."""
IGNORED_NAMES = frozenset({"unlabelled", "unlabeled", "void", "ignore"})
"""Classes of these names are pixels that do not count."""
LOOKED_AT = 200
"""How many masks are searched for values where no classes.txt names them."""


@dataclass(frozen=True)
class MaskPairs:
    """`images/train/1.jpg` and `masks/train/1.png`, or `train/images/1.jpg` and so on.

    The folder of masks may be called labels; without folders for splits all pictures are one set.
    `classes.txt` at the top names the values: one name a line, or `0 sky`. Without it the values
    found in the masks (in `LOOKED_AT` of them, evenly chosen, if there are more) become class_0,
    class_1 and so on. 255 does not count unless classes.txt names it.
    """

    name: str = "pictures and masks"
    looks_for: str = "images/ and masks/ (or labels/) with one name for picture and mask"

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without these folders. Errors: DataError naming the file."""
        pictures, masks, left_out = _pictures_and_masks(files)
        if not pictures or not masks:
            return None
        pairs = _pairs(pictures, masks)
        values, classes, notes = _values(files, [mask for _, _, mask in pairs])
        splits: dict[str, list[Item]] = {}
        for split, picture, mask in pairs:
            splits.setdefault(split, []).append(Item(picture, MaskFile(mask, values)))
        lonely = sorted(masks[key] for key in masks.keys() - pictures.keys())
        if lonely:
            notes.append(f"{len(lonely):,} masks have no picture: {listed(lonely, 3)}")
        if left_out:
            notes.append(
                f"{len(left_out):,} pictures lie outside the folders for splits and are left out: "
                f"{listed(left_out, 3)}"
            )
        return Dataset(
            task="segmentation",
            classes=classes,
            splits={split: tuple(items) for split, items in sorted(splits.items())},
            files=files,
            format=self.name,
            notes=tuple(notes),
        )


class _Key(NamedTuple):
    """What a picture and its mask share."""

    split: str
    stem: str


def _pictures_and_masks(
    files: FileTree,
) -> tuple[dict[_Key, str], dict[_Key, str], list[str]]:
    """Pictures and masks by what they share, and the pictures that are in no split."""
    pictures: dict[_Key, str] = {}
    masks: dict[_Key, str] = {}
    outside: list[str] = []
    for path in files.paths:
        if not is_picture(path):
            continue
        kind, key = _kind_and_key(path)
        if kind is None:
            continue
        known = pictures if kind == "images" else masks
        if key in known:
            raise DataError(f"{known[key]} and {path} have one name", fix="rename or remove one")
        known[key] = path
    if any(key.split != WHOLE for key in pictures):
        outside = [path for key, path in pictures.items() if key.split == WHOLE]
        pictures = {key: path for key, path in pictures.items() if key.split != WHOLE}
        masks = {key: path for key, path in masks.items() if key.split != WHOLE}
    return pictures, masks, outside


def _kind_and_key(path: str) -> tuple[str | None, _Key]:
    """ "images" or "masks" (None for other folders), and what picture and mask share."""
    first, _, rest = path.partition("/")
    second, _, below = rest.partition("/")
    if first in KINDS and split_name(second) and below:
        return KINDS[first], _Key(str(split_name(second)), stem(below))
    if split_name(first) and second in KINDS and below:
        return KINDS[second], _Key(str(split_name(first)), stem(below))
    if first in KINDS and rest:
        return KINDS[first], _Key(WHOLE, stem(rest))
    return None, _Key(WHOLE, "")


def _pairs(pictures: Mapping[_Key, str], masks: Mapping[_Key, str]) -> list[tuple[str, str, str]]:
    """Split, picture and mask. Errors: DataError naming pictures without one."""
    missing = [path for key, path in pictures.items() if key not in masks]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(pictures):,} pictures have no mask: {listed(missing, 3)}",
            expected="a mask of the same name for each picture",
            fix="add the masks or take the pictures away",
        )
    return [(key.split, path, masks[key]) for key, path in pictures.items()]


def _values(files: FileTree, masks: list[str]) -> tuple[dict[int, int], tuple[str, ...], list[str]]:
    """Value -> class, the classes, and notes."""
    if "classes.txt" in files.sizes:
        values, classes = _from_classes_file(files)
        return values, classes, []
    looked_at = list(evenly_spaced(masks, LOOKED_AT))
    found = _values_found(files, looked_at)
    if len(found) < 2:
        raise DataError(
            f"the masks hold only the values {', '.join(map(str, [*found, IGNORE]))}, "
            f"and {IGNORE} means that a pixel does not count",
            expected="numbers of at least two classes",
            fix=f"name the values in classes.txt, such as '0 background' and '{IGNORE} object'",
        )
    part = "all" if len(looked_at) == len(masks) else f"{len(looked_at)} of {len(masks):,}"
    note = f"no classes.txt: the classes are named after the values found in {part} masks"
    values = {value: label for label, value in enumerate(found)}
    return {**values, IGNORE: IGNORE}, tuple(f"class_{value}" for value in found), [note]


def _values_found(files: FileTree, masks: Iterable[str]) -> list[int]:
    """All values but `IGNORE` in some masks, sorted."""
    found = torch.zeros(256, dtype=torch.bool)
    for path in masks:
        found[decode_mask(files.read(path), path).flatten().long()] = True
    found[IGNORE] = False
    return [int(value) for value in found.nonzero().flatten()]


def _from_classes_file(files: FileTree) -> tuple[dict[int, int], tuple[str, ...]]:
    """Value -> class and the classes, as classes.txt names them."""
    names: dict[int, str] = {}
    for number, value, name in _lines(files):
        if not 0 <= value <= 255:
            raise DataError(f"classes.txt:{number} has the value {value}", expected="0 to 255")
        if value in names or name in names.values():
            raise DataError(
                f"classes.txt:{number} repeats {name!r} or the value {value}", fix="correct it"
            )
        names[value] = name
    classes = tuple(names[v] for v in sorted(names) if names[v].lower() not in IGNORED_NAMES)
    if len(classes) < 2:
        raise DataError(f"classes.txt names {len(classes)} classes", expected="at least two")
    if len(classes) > IGNORE:
        raise DataError(
            f"classes.txt names {len(classes)} classes",
            expected=f"at most {IGNORE}, as {IGNORE} marks pixels that do not count",
            fix="give what does not count the name void, or join classes",
        )
    labels = {name: label for label, name in enumerate(classes)}
    values = {value: labels.get(name, IGNORE) for value, name in sorted(names.items())}
    return {IGNORE: IGNORE, **values}, classes


def _lines(files: FileTree) -> Iterator[tuple[int, int, str]]:
    """Number of the line, value and name of each class; blank lines are passed over."""
    text = decoded(read_limited(files, "classes.txt"), "classes.txt")
    lines = [
        (number, composed(line.strip()))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    numbered = [re.fullmatch(r"([0-9]{1,9})[\s:,;]+(\S.*)", line) for _, line in lines]
    if any(numbered) and not all(numbered):
        first = next(
            number for (number, _), found in zip(lines, numbered, strict=True) if not found
        )
        raise DataError(
            f"classes.txt:{first} has no value before the name",
            expected="'0 sky' in every line, or names alone in every line",
        )
    for index, ((number, line), found) in enumerate(zip(lines, numbered, strict=True)):
        yield (number, int(found[1]), found[2]) if found else (number, index, line)
