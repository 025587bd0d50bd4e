"""A data set as manako sees it: pictures with their truth, in splits, under names of classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from manako.data.decode import decode_image, decode_mask, orientation
from manako.data.files import FileTree
from manako.data.signals.addresses import bytes_at
from manako.errors import DataError, UnknownName
from manako.structures import (
    IGNORE,
    BoxTargets,
    ClassTarget,
    LabelsTarget,
    MaskTarget,
    Sample,
)

Holds = Literal["pictures", "signals"]
Task = Literal["classification", "multilabel", "detection", "segmentation"]


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A map of classes on disk: its path, and which class each of its values means.

    `values` is value -> class, with `IGNORE` for pixels that do not count; None where the values
    are the classes themselves.
    """

    path: str
    values: Mapping[int, int] | None = None


Truth = ClassTarget | LabelsTarget | BoxTargets | MaskFile
"""What a data set says of a picture; masks stay on disk until they are needed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a data set: its path and truth (None where it is not known).

    Pictures of one `group` (a patient, a sequence) must stay in one split. `size_hw` is the size
    that the annotation states, in pixels; the decoded picture is held against it.
    """

    image: str
    truth: Truth | None
    group: str | None = None
    size_hw: tuple[int, int] | None = None


@dataclass(frozen=True)
class Dataset:
    """Pictures with their truth, in splits.

    `classes` are the names, in the order of the labels; `splits` holds "train", "val", "test", or
    only "all"; `format` says how the set is laid out on disk, and `notes` what its owner should
    know of it. It `holds` pictures, or signals and volumes.
    """

    task: Task
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Item, ...]]
    files: FileTree
    format: str
    notes: tuple[str, ...] = ()
    holds: Holds = "pictures"

    def described(self) -> str:
        """One line: task, layout, classes, pictures.

        "classification: class folders, 10 classes, train 45,000 · val 5,000 · test 10,000 pictures"
        """
        order = sorted(self.splits, key=lambda name: (*_ORDER, name).index(name))
        counts = " · ".join(f"{name} {len(self.splits[name]):,}" for name in order)
        classes = "1 class" if len(self.classes) == 1 else f"{len(self.classes)} classes"
        return f"{self.task}: {self.format}, {classes}, {counts} {self.holds}"

    def split(self, name: str) -> tuple[Item, ...]:
        """The pictures of one split. Errors: UnknownName naming those there are."""
        if name not in self.splits:
            raise UnknownName("split", name, self.splits)
        return self.splits[name]

    def fingerprint(self, *splits: str) -> str:
        """A SHA-256 over classes, paths, sizes in bytes and truths of some splits (or all).

        It tells whether a data set is still the one that a run began with; where the set lies
        and when its files were written does not matter.
        """
        parts = [self.task, *self.classes]
        for name in sorted(splits or self.splits):
            parts += ["", name]
            for item in self.split(name):
                size = bytes_at(item.image, self.files)
                parts += [item.image, str(size), *self._truth(item)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def class_counts(self, split: str) -> dict[str, int]:
        """Class name -> pictures, boxes (without ignored ones) or pictures that show the class.

        For the last every mask is read.
        """
        counts: Counter[int] = Counter()
        for item in self.split(split):
            counts.update(self._labels(item))
        return {name: counts[label] for label, name in enumerate(self.classes)}

    def _labels(self, item: Item) -> Mapping[int, int]:
        match item.truth:
            case ClassTarget(label):
                return {label: 1}
            case LabelsTarget(labels):
                return dict.fromkeys(labels, 1)
            case BoxTargets() as boxes:
                return Counter(boxes.select(~boxes.ignored_mask).labels.tolist())
            case MaskFile() as mask:
                return dict.fromkeys(torch.unique(load_mask(self.files, mask)).tolist(), 1)
        return {}

    def _truth(self, item: Item) -> Iterator[str]:
        match item.truth:
            case ClassTarget(label):
                yield str(label)
            case LabelsTarget(labels):
                yield str(labels)
            case BoxTargets() as boxes:
                yield str([boxes.boxes_xyxy.tolist(), boxes.labels.tolist()])
                yield str(boxes.ignored_mask.tolist())
            case MaskFile(path, values):
                yield path
                yield str(self.files.sizes[path])
                yield str(None if values is None else sorted(values.items()))


_ORDER = ("train", "val", "test")


def load_sample(files: FileTree, item: Item, channels: int = 3) -> Sample:
    """Read and decode one picture with its truth.

    The image is uint8 [channels, H, W]. Errors: DataError naming the file that is damaged, whose
    size is not the one its annotation or mask says, or whose mask holds an unknown value.
    """
    data = files.read(item.image)
    image = decode_image(data, item.image, channels)
    size_hw = (int(image.shape[1]), int(image.shape[2]))
    if item.size_hw is not None and item.size_hw != size_hw:
        raise _size_error(item.image, data, size_hw, "its annotation says", item.size_hw)
    if not isinstance(item.truth, MaskFile):
        return Sample(image, item.truth, item.image)
    mask = load_mask(files, item.truth)
    mask_hw = (int(mask.shape[0]), int(mask.shape[1]))
    if mask_hw != size_hw:
        raise _size_error(item.image, data, size_hw, f"{item.truth.path} is", mask_hw)
    return Sample(image, MaskTarget(mask), item.image)


def load_mask(files: FileTree, mask: MaskFile) -> Tensor:
    """The classes [H, W] uint8 of a mask on disk, `IGNORE` where they are unknown."""
    raw = decode_mask(files.read(mask.path), mask.path)
    if mask.values is None:
        return raw
    classes = _table(tuple(mask.values.items()))[raw.numpy()]
    if (classes < 0).any():
        unknown = sorted({int(value) for value in raw.numpy()[classes < 0]})
        raise DataError(
            f"{mask.path} holds the value {unknown[0]}, which is no class",
            expected="one of " + ", ".join(str(value) for value in sorted(mask.values)),
            fix="correct the mask, or name the value in classes.txt",
        )
    return torch.from_numpy(classes.astype(np.uint8))


@lru_cache(maxsize=64)
def _table(values: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Class by value, int16 [256]; -1 where a value is no class."""
    table = np.full(256, -1, dtype=np.int16)
    table[IGNORE] = IGNORE
    for value, label in values:
        table[value] = label
    return table


def _size_error(
    path: str, data: bytes, size_hw: tuple[int, int], other: str, other_hw: tuple[int, int]
) -> DataError:
    turned = orientation(data, path)
    upright = f" (turned upright, as its EXIF orientation {turned} asks)" if turned > 1 else ""
    fix = "make the annotation anew from the picture as it is shown" if turned > 1 else ""
    return DataError(
        f"{path} is {size_hw[1]} x {size_hw[0]} pixels{upright}, but {other} "
        f"{other_hw[1]} x {other_hw[0]}",
        expected="a picture and an annotation of the same width and height",
        fix=fix or "check that the annotation belongs to this picture",
    )
