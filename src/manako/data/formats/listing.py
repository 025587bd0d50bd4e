"""Pictures with their labels, as a table or a file of JSON lines lists them, made a data set.

A set where any picture is given several labels is "multilabel" as a whole: there a picture may
also show one class, or none. All other sets are for classification, one label a picture.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from manako.data.dataset import Dataset, Holds, Item
from manako.data.files import FileTree
from manako.data.names import SPLITS, WHOLE, composed, is_picture, listed, nearest, split_name
from manako.data.signals.addresses import files_at, files_below, is_signal
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget

PATH_NAMES = ("path", "image", "file", "filename", "file_name")
"""What the column or key of the picture's path may be called."""
LABEL_NAMES = ("label", "class", "labels")
"""What the column or key of its label may be called."""
MEANINGS: Mapping[str, tuple[str, ...]] = {
    "path": PATH_NAMES,
    "label": LABEL_NAMES,
    "split": ("split",),
    "group": ("group",),
}
SEPARATORS = r"[|;]"
"""What parts the labels in a column or text called labels, as a regular expression."""
MOST_CHARACTERS = 1000
"""The longest path, label or group; far more than any file system or reader needs."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:(?://|.*base64)", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Place(NamedTuple):
    """A line of a table."""

    table: str
    line: int

    def __str__(self) -> str:
        return f"{self.table}:{self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """One picture as it is listed: checked text, of which nothing is looked up yet.

    `labels` may be empty; `several` says that they were written as a list. `path` is relative to
    the data set.
    """

    place: Place
    path: str
    labels: tuple[str, ...]
    several: bool
    split: str | None = None
    group: str | None = None


def meanings(names: Sequence[str], where: str) -> dict[str, int]:
    """What each column or key that matters means -> its index. Errors: DataError for two of one."""
    found: dict[str, int] = {}
    for meaning, choices in MEANINGS.items():
        indices = [index for index, name in enumerate(names) if name in choices]
        if len(indices) > 1:
            raise DataError(
                f"{where} has more than one column for the {meaning}: "
                + ", ".join(names[index] for index in indices),
                fix="remove or rename all but one",
            )
        if indices:
            found[meaning] = indices[0]
    return found


def checked_text(text: str, what: str, place: Place) -> str:
    """`text` in composed form. Errors: DataError for what no name holds: control characters."""
    bad = _NO_NAME.search(text)
    if bad:
        raise DataError(
            f"{place} has a {what} with the character {bad[0]!a}", fix="correct the line"
        )
    if len(text) > MOST_CHARACTERS:
        raise DataError(
            f"{place} has a {what} of {len(text):,} characters: {text[:20]}…",
            expected=f"at most {MOST_CHARACTERS:,}",
            fix="correct the line; perhaps a quotation mark is missing before it",
        )
    return composed(text)


def parted_labels(text: str, separators: str, place: Place) -> tuple[str, ...]:
    """The labels in a text, each once; none in an empty one. Errors: DataError."""
    if not text:
        return ()
    labels = [checked_text(label.strip(), "label", place) for label in re.split(separators, text)]
    if "" in labels:
        raise DataError(
            f"{place} has an empty label in {text!r}", fix="take the superfluous separator away"
        )
    return tuple(dict.fromkeys(labels))


def inside(path: str, folder: str, place: Place) -> str:
    """A path from `folder` (empty, or ending in a slash) as one from the data set, without `.`.

    Errors: DataError for one that is absolute, an address, or leads out of the folder by `..`.
    """
    if not path:
        raise DataError(f"{place} has no path", fix="fill it in")
    checked_text(path, "path", place)
    if _ADDRESS.match(path):
        raise DataError(
            f"{place} names an address, not a file: {path[:60]}",
            expected="the path of a file beside the table",
            fix="download the pictures first",
        )
    path = path.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or path[1:2] == ":" or ".." in parts or not parts:
        raise DataError(
            f"{place} leads out of the folder of the table: {path}",
            expected="a path relative to that folder, without '..'",
        )
    if any(len(part.encode()) > 255 for part in parts):
        raise DataError(f"{place} names {path[:40]}…, too long for a file", fix="correct the path")
    return folder + "/".join(parts)


def dataset_of(rows: Sequence[Row], files: FileTree, name: str, table: str) -> Dataset:
    """The data set of all `rows`, whose layout is `name`; `table` is what to name if it is empty.

    Errors: DataError naming table and line: a picture that does not exist or is listed twice, an
    unknown split, a label that is missing where each picture has one.
    """
    if not rows:
        raise DataError(f"{table} lists no picture", fix="add a line for each picture")
    known = {composed(path): path for path in files.paths}
    rows = [replace(row, path=_found(row, files, known)) for row in rows]
    _check_once(rows)
    several = any(row.several for row in rows)
    classes = tuple(sorted({label for row in rows for label in row.labels}))
    labels = {label: index for index, label in enumerate(classes)}
    targets = {label: ClassTarget(index) for label, index in labels.items()}
    by_folder = _split_folders(rows)
    splits: dict[str, list[Item]] = defaultdict(list)
    for row in rows:
        truth: ClassTarget | LabelsTarget
        if several:
            truth = LabelsTarget(tuple(sorted(labels[one] for one in row.labels)))
        elif row.labels:
            truth = targets[row.labels[0]]
        else:
            raise DataError(f"{row.place} has no label", fix="fill it in")
        split = split_name(row.path.partition("/")[0]) if by_folder else _split(row, rows[0])
        splits[split or WHOLE].append(Item(row.path, truth, row.group))
    signals = [is_signal(row.path) for row in rows]
    if any(signals) and not all(signals):
        odd = rows[signals.index(not signals[0])]
        raise DataError(
            f"{odd.place} names {odd.path}, and the lines before it files of another kind",
            expected="pictures, or signals and volumes, but not both",
        )
    holds: Holds = "signals" if signals[0] else "pictures"
    return Dataset(
        task="multilabel" if several else "classification",
        classes=classes,
        splits={split: tuple(items) for split, items in sorted(splits.items())},
        files=files,
        format=name,
        notes=(*_unnamed(rows, files, holds), *_unlabelled(rows, several), *by_folder),
        holds=holds,
    )


def _found(row: Row, files: FileTree, known: Mapping[str, str]) -> str:
    """The file that a row means, however its accents are written."""
    if row.path in files.sizes:
        return row.path
    if composed(row.path) in known:
        return known[composed(row.path)]
    if any(files_below(f"{row.path}/", files)):
        return f"{row.path}/"  # a folder: the slices of a volume
    raise DataError(
        f"{row.place} names {row.path}, which does not exist",
        fix=nearest(row.path, files.paths) or "correct the path or remove the line",
    )


def _check_once(rows: Sequence[Row]) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        if row.path in lines:
            raise DataError(
                f"{row.place} lists {row.path} again (first in line {lines[row.path]})",
                fix="keep one of the lines; several labels of a picture stand in one",
            )
        lines[row.path] = row.place.line


def _split(row: Row, first: Row) -> str:
    """The split that a row names; either every row names one or none does."""
    if (row.split is None) != (first.split is None):
        without, other = (row, first) if row.split is None else (first, row)
        raise DataError(
            f"{without.place} has no split, but {other.place} has",
            fix="give every picture a split, or none",
        )
    if row.split is None:
        return WHOLE
    split = split_name(row.split)
    if split is None:
        raise DataError(f"{row.place} has the split {row.split!r}", expected=", ".join(SPLITS))
    return split


def _split_folders(rows: Sequence[Row]) -> list[str]:
    """A note where no row names a split, but all paths begin with a folder named like one."""
    if any(row.split is not None for row in rows):
        return []
    tops = {row.path.partition("/")[0] if "/" in row.path else "" for row in rows}
    if not all(split_name(top) for top in tops):
        return []
    return [f"the splits are the folders that the paths begin with: {listed(sorted(tops))}"]


def _unnamed(rows: Sequence[Row], files: FileTree, holds: Holds) -> list[str]:
    """A note on files of the kind that the table names which it does not name."""
    wanted = is_picture if holds == "pictures" else is_signal
    used = {path for row in rows for path in files_at(row.path, files)}
    used |= {row.place.table for row in rows}  # which may end as a series does
    unnamed = [path for path in files.paths if wanted(path) and path not in used]
    if not unnamed:
        return []
    return [f"{len(unnamed):,} {holds} are in no line and left out: {listed(unnamed, 3)}"]


def _unlabelled(rows: Sequence[Row], several: bool) -> list[str]:
    empty = sum(not row.labels for row in rows)
    if not several or not empty:
        return []
    return [f"{empty:,} of {len(rows):,} pictures show none of the classes"]
