"""What must hold of every data set, whatever its layout, before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from manako.data.dataset import Dataset, MaskFile, Truth
from manako.data.names import composed, listed, nearest
from manako.data.strata import absences, check_groups_apart, classes_shown, pictures_showing
from manako.errors import DataError
from manako.structures import IGNORE, BoxTargets, ClassTarget, LabelsTarget


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
        _check_enough(dataset)
    return replace(dataset, notes=(*dataset.notes, *absences(dataset, dataset.splits)))


def _check_apart(dataset: Dataset) -> None:
    """No picture twice, no group in two splits: else scores would be of what was learned."""
    pictures: dict[str, str] = {}
    for split, items in dataset.splits.items():
        for item in items:
            if item.image in pictures:
                both = sorted({split, pictures[item.image]})
                raise DataError(
                    f"{item.image} is listed twice, in {' and '.join(both)}",
                    fix="keep one of the entries",
                )
            pictures[item.image] = split
    check_groups_apart(dataset.splits)


def _check_enough(dataset: Dataset) -> None:
    """Something must be there to tell apart."""
    if dataset.task == "classification" and len(dataset.classes) < 2:
        name = dataset.classes[0]
        raise DataError(
            f"{dataset.files.root} holds the single class {name!r}",
            expected="pictures of at least two classes",
            fix=f"add a class of other pictures; if {name!r} is itself the data set, give its path",
        )
    if dataset.task != "multilabel":
        return
    items = [item for split in dataset.splits.values() for item in split]
    if not dataset.classes:
        raise DataError(
            f"{dataset.files.root} has no label: all {len(items):,} pictures show nothing",
            expected="pictures with labels, such as cat|dog in a table or a list in JSON lines",
        )
    empty = sum(not classes_shown(item) for item in items)
    if len(dataset.classes) == 1 and not empty:
        raise DataError(
            f"{dataset.files.root} holds the single label {dataset.classes[0]!r}, on all pictures",
            expected="pictures with it and pictures without it",
        )


def _check_known_to_train(dataset: Dataset) -> None:
    if "train" not in dataset.splits or dataset.task == "segmentation":
        return
    known = set(pictures_showing(dataset.splits["train"]))
    for split, items in dataset.splits.items():
        for item in items:
            for label in sorted(classes_shown(item) - known):
                name = dataset.classes[label]
                names = [dataset.classes[one] for one in sorted(known)]
                raise DataError(
                    f"the class {name!r} is in {split} ({item.image}) but not in train",
                    expected=listed(names, 20),
                    fix=nearest(name, names) or "add pictures of it to train or take it away",
                )


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

    def truth(self, truth: Truth | None) -> Truth | None:
        match truth:
            case ClassTarget(label):
                return self.targets[self.order[label]]
            case LabelsTarget(labels):
                return LabelsTarget(tuple(sorted(self.order[label] for label in labels)))
            case BoxTargets() as boxes:
                return BoxTargets(boxes.boxes_xyxy, self.table[boxes.labels], boxes.ignored)
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
