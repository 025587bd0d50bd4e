"""What must hold of every data set, whatever its layout, before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from manako.data.dataset import Dataset, Item, MaskFile
from manako.data.names import composed, listed, nearest
from manako.errors import DataError
from manako.structures import IGNORE, BoxTargets, ClassTarget


def checked(dataset: Dataset, classes: Sequence[str] | None) -> Dataset:
    """`dataset`, under the order of `classes` if given, with notes on classes that are missing.

    Errors: DataError for a picture or group in two splits, a class that only appears outside
    train, a single class to tell apart, or a name that is not in `classes`.
    """
    _check_apart(dataset)
    if classes is not None:
        dataset = _renamed(dataset, classes)
    else:
        _check_known_to_train(dataset)
    if dataset.task == "classification" and len(dataset.classes) < 2:
        name = dataset.classes[0]
        raise DataError(
            f"{dataset.files.root} holds the single class {name!r}",
            expected="pictures of at least two classes",
            fix=f"add a class of other pictures; if {name!r} is itself the data set, give its path",
        )
    return replace(dataset, notes=(*dataset.notes, *_absences(dataset)))


def _check_apart(dataset: Dataset) -> None:
    """No picture twice, no group in two splits: else scores would be of what was learned."""
    pictures: dict[str, str] = {}
    groups: dict[str, str] = {}
    for split, items in dataset.splits.items():
        for item in items:
            if item.image in pictures:
                both = sorted({split, pictures[item.image]})
                raise DataError(
                    f"{item.image} is listed twice, in {' and '.join(both)}",
                    fix="keep one of the entries",
                )
            pictures[item.image] = split
            if item.group is not None and groups.setdefault(item.group, split) != split:
                raise DataError(
                    f"the group {item.group!r} is in {groups[item.group]} and in {split}",
                    expected="each group in one split only",
                    fix="move its pictures into one of them",
                )


def _check_known_to_train(dataset: Dataset) -> None:
    if "train" not in dataset.splits or dataset.task == "segmentation":
        return
    known = _labels(dataset.splits["train"])
    for split, items in dataset.splits.items():
        for item in items:
            for label in _labels([item]) - known:
                name = dataset.classes[label]
                names = [dataset.classes[one] for one in sorted(known)]
                raise DataError(
                    f"the class {name!r} is in {split} ({item.image}) but not in train",
                    expected=listed(names, 20),
                    fix=nearest(name, names) or "add pictures of it to train or take it away",
                )


def _labels(items: Sequence[Item]) -> set[int]:
    found: set[int] = set()
    for item in items:
        if isinstance(item.truth, ClassTarget):
            found.add(item.truth.label)
        elif isinstance(item.truth, BoxTargets):
            found.update(item.truth.labels.tolist())
    return found


def _absences(dataset: Dataset) -> list[str]:
    """A note for each split that lacks classes (masks are not opened for this)."""
    if dataset.task == "segmentation":
        return []
    notes = []
    for split, items in dataset.splits.items():
        present = _labels(items)
        absent = [name for label, name in enumerate(dataset.classes) if label not in present]
        if absent:
            notes.append(f"{split} holds nothing of {listed(absent)}")
    return notes


def _renamed(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The same pictures with labels that are places in `classes`."""
    labels = {composed(name): label for label, name in enumerate(classes)}
    unknown = [name for name in dataset.classes if composed(name) not in labels]
    if unknown:
        raise DataError(
            f"{dataset.files.root} holds the class {unknown[0]!r}, unknown to the recognizer",
            expected=listed(classes, 20),
            fix=nearest(unknown[0], classes) or "rename the class or take it away",
        )
    order = {old: labels[composed(name)] for old, name in enumerate(dataset.classes)}
    known = _Renaming(order, len(classes))
    return replace(
        dataset,
        classes=tuple(classes),
        splits={
            split: tuple(replace(item, truth=known.truth(item.truth)) for item in items)
            for split, items in dataset.splits.items()
        },
    )


class _Renaming:
    """Old label -> new label, for truths of every kind. Equal truths stay one object."""

    def __init__(self, order: Mapping[int, int], count: int) -> None:
        self.order = order
        self.table = torch.tensor([order[old] for old in range(len(order))], dtype=torch.int64)
        self.targets = [ClassTarget(label) for label in range(count)]
        self.values: dict[int, Mapping[int, int]] = {}

    def truth(
        self, truth: ClassTarget | BoxTargets | MaskFile | None
    ) -> ClassTarget | BoxTargets | MaskFile | None:
        match truth:
            case ClassTarget(label):
                return self.targets[self.order[label]]
            case BoxTargets() as boxes:
                labels = self.table[boxes.labels]
                return BoxTargets(boxes.boxes_xyxy, labels, boxes.ignored)
            case MaskFile(path, dict() as values):
                return MaskFile(path, self._values(values))
        return truth

    def _values(self, values: dict[int, int]) -> Mapping[int, int]:
        if id(values) not in self.values:
            self.values[id(values)] = {
                value: IGNORE if label == IGNORE else self.order[label]
                for value, label in values.items()
            }
        return self.values[id(values)]
