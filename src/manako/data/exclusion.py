"""Pictures that are left out of a data set, by a list of their paths."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from manako.data.dataset import Dataset, Item
from manako.data.names import composed, listed, nearest
from manako.data.strata import pictures_showing
from manako.data.text import decoded
from manako.errors import DataError


def parse_exclude_file(path: str | Path) -> frozenset[str]:
    """The paths in a list: one a line, as the data set names its pictures.

    Blank lines and lines that begin with `#` are passed over; a path that begins so is written
    `./#1.jpg`. A line in quotation marks is a JSON text, as `listed_path` writes it. Errors:
    DataError for a file that cannot be read as UTF-8 text, or a line that is no JSON text.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the list of pictures to leave out cannot be read: {path}: {error.strerror}",
            expected="a text file with one path a line",
        ) from error
    lines = [line.strip() for line in decoded(data, path.name).split("\n")]
    return frozenset(
        composed(_path(line, f"{path.name}:{number}"))
        for number, line in enumerate(lines, start=1)
        if line and not line.startswith("#")
    )


def listed_path(path: str) -> str:
    """A path as a line of the list, from which it is read again.

    >>> print(listed_path("#1.jpg"), listed_path("two\\nlines.jpg"))
    ./#1.jpg "two\\nlines.jpg"
    """
    if not path.isprintable() or path.startswith('"') or path != path.strip():
        return json.dumps(path)
    return f"./{path}" if path.startswith("#") else path


def _path(line: str, place: str) -> str:
    if not line.startswith('"'):
        return line.removeprefix("./")
    try:
        return str(json.loads(line))
    except ValueError as error:
        raise DataError(
            f"{place} begins with a quotation mark and is no JSON text: {line}",
            expected='a path, or a JSON text such as "two\\nlines.jpg"',
            fix="write a path that begins with a quotation mark as a JSON text",
        ) from error


def without_excluded(
    dataset: Dataset, excluded: Collection[str], needed: Sequence[str] = ("train", "val")
) -> Dataset:
    """`dataset` without the pictures at the paths `excluded`.

    Pictures are left out of a set that is already divided, so that leaving some out never moves
    the others to another split. Classes and their order stay. Notes say how many are left out,
    which paths the set does not have, and which classes a split has lost. Errors: DataError where
    nothing is left in a split that is `needed`; another split that is empty is dropped.
    """
    if not excluded:
        return dataset
    unwanted = {composed(path) for path in excluded}
    splits = {
        split: tuple(item for item in items if composed(item.image) not in unwanted)
        for split, items in dataset.splits.items()
    }
    for split, items in splits.items():
        if not items and split in needed:
            raise DataError(
                f"all {len(dataset.splits[split]):,} pictures of {split} are to be left out",
                fix="leave out fewer pictures",
            )
    notes = [*_counts(dataset, splits), *_unknown(dataset, unwanted), *_losses(dataset, splits)]
    kept = {split: items for split, items in splits.items() if items}
    return replace(dataset, splits=kept, notes=(*dataset.notes, *notes))


def _counts(dataset: Dataset, splits: Mapping[str, Sequence[Item]]) -> list[str]:
    left_out = {
        split: len(items) - len(splits[split])
        for split, items in dataset.splits.items()
        if len(items) > len(splits[split])
    }
    if not left_out:
        return []
    counts = " · ".join(f"{split} {count:,}" for split, count in left_out.items())
    emptied = [split for split in left_out if not splits[split]]
    ending = f"; nothing is left of {listed(emptied)}" if emptied else ""
    return [f"left out as listed: {counts} pictures{ending}"]


def _unknown(dataset: Dataset, unwanted: Collection[str]) -> list[str]:
    images = [composed(item.image) for items in dataset.splits.values() for item in items]
    unknown = sorted(set(unwanted).difference(images))
    if not unknown:
        return []
    near = nearest(unknown[0], images)
    return [
        f"{len(unknown):,} of {len(unwanted):,} paths to leave out are of no picture in the set: "
        f"{listed(unknown, 3)}" + (f" ({unknown[0]}: {near})" if near else "")
    ]


def _losses(dataset: Dataset, splits: Mapping[str, Sequence[Item]]) -> list[str]:
    notes = []
    for split, items in splits.items():
        lost = pictures_showing(dataset.splits[split]).keys() - pictures_showing(items).keys()
        if lost and items:
            names = listed(dataset.classes[label] for label in sorted(lost))
            notes.append(f"without what is left out, {split} holds nothing of {names}")
    return notes
