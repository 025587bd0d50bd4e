"""Classification: a table of pictures and their classes."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manako.data.dataset import Dataset, Item
from manako.data.files import FileTree, FolderTree
from manako.data.names import SPLITS, WHOLE, composed, nearest, split_name, suffix
from manako.errors import DataError
from manako.structures import ClassTarget

PATH_COLUMNS = ("path", "image", "file", "filename")
LABEL_COLUMNS = ("label", "class")


@dataclass(frozen=True)
class CsvTable:
    """A .csv at the top: a column path (or image, file, filename) and a column label (or class).

    A column split and a column group may stand beside them; others are passed over. Paths are
    relative to the folder of the table and must stay in it. The table is UTF-8, with or without a
    byte-order mark, with commas or semicolons.
    """

    name: str = "CSV table"
    looks_for: str = "a .csv at the top with the columns path and label (split, group if wanted)"

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without such a table. Errors: DataError naming table and line."""
        tables = [_Table.of(files.read(path), path) for path in files.paths if _at_top(path)]
        fitting = [table for table in tables if table.is_fitting]
        if len(fitting) > 1:
            raise DataError(
                f"{files.root} holds more than one table of pictures: "
                + ", ".join(table.path for table in fitting),
                fix="give the path of the one to use",
            )
        return _dataset(fitting[0], files, self.name) if fitting else None


def read_csv(path: Path) -> Dataset:
    """The data set of a single table. Errors: DataError naming the table and the line."""
    table = _Table.of(path.read_bytes(), path.name)
    if not table.is_fitting:
        raise DataError(
            f"{path} has the columns {', '.join(map(repr, table.columns))}",
            expected=f"one of {', '.join(PATH_COLUMNS)} and one of {', '.join(LABEL_COLUMNS)}",
        )
    paths = [_inside(row, table.path) for row in table.rows()]
    return _dataset(table, FolderTree.listed(path.absolute().parent, paths), CsvTable.name)


@dataclass(frozen=True)
class _Row:
    """The fields of one picture, and the line of the table that ends it."""

    line: int
    path: str
    label: str
    split: str | None
    group: str | None


@dataclass(frozen=True)
class _Table:
    """The text of a table and which of its columns mean what."""

    path: str
    text: str
    delimiter: str
    columns: tuple[str, ...]
    meanings: Mapping[str, int]

    @classmethod
    def of(cls, data: bytes, path: str) -> _Table:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise DataError(f"{path}:{line} is not UTF-8", fix="save the table as UTF-8") from error
        header = text.partition("\n")[0]
        delimiter = ";" if header.count(";") > header.count(",") else ","
        names = next(csv.reader([header], delimiter=delimiter), [])
        columns = tuple(name.strip().lower() for name in names)
        return cls(path, text, delimiter, columns, _meanings(columns, path))

    @property
    def is_fitting(self) -> bool:
        return "path" in self.meanings and "label" in self.meanings

    def rows(self) -> Iterator[_Row]:
        """The rows below the header; those without any text are passed over."""
        lines = io.StringIO(self.text, newline="")
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        try:
            next(reader)
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield self._row(fields, reader.line_num)
        except csv.Error as error:
            raise DataError(f"{self.path}:{reader.line_num} cannot be read: {error}") from error

    def _row(self, fields: Sequence[str], line: int) -> _Row:
        if len(fields) != len(self.columns):
            raise DataError(
                f"{self.path}:{line} has {len(fields)} fields",
                expected=f"{len(self.columns)}, as many as the header has columns",
            )
        values = {name: fields[index].strip() for name, index in self.meanings.items()}
        for name in ("path", "label", "split"):
            if values.get(name) == "":
                raise DataError(f"{self.path}:{line} has no {name}", fix="fill it in")
        return _Row(
            line,
            values["path"].replace("\\", "/"),
            composed(values["label"]),
            values.get("split"),
            values.get("group") or None,
        )


def _meanings(columns: tuple[str, ...], path: str) -> dict[str, int]:
    """What each column that matters means -> its index."""
    meanings: dict[str, int] = {}
    choices = {"path": PATH_COLUMNS, "label": LABEL_COLUMNS, "split": ["split"], "group": ["group"]}
    for meaning, names in choices.items():
        found = [index for index, column in enumerate(columns) if column in names]
        if len(found) > 1:
            raise DataError(
                f"{path} has more than one column for the {meaning}: "
                + ", ".join(columns[index] for index in found),
                fix="remove or rename all but one",
            )
        if found:
            meanings[meaning] = found[0]
    return meanings


def _at_top(path: str) -> bool:
    return "/" not in path and suffix(path) == ".csv"


def _dataset(table: _Table, files: FileTree, name: str) -> Dataset:
    known = {composed(path): path for path in files.paths}
    rows = [(row, _found(row, table.path, files, known)) for row in table.rows()]
    if not rows:
        raise DataError(f"{table.path} lists no picture")
    classes = tuple(sorted({row.label for row, _ in rows}))
    targets = {label: ClassTarget(index) for index, label in enumerate(classes)}
    splits: dict[str, list[Item]] = defaultdict(list)
    lines: dict[str, int] = {}
    for row, path in rows:
        if path in lines:
            raise DataError(
                f"{table.path}:{row.line} lists {path} again (first in line {lines[path]})",
                fix="keep one of the lines",
            )
        lines[path] = row.line
        splits[_split(row, table.path)].append(Item(path, targets[row.label], row.group))
    return Dataset(
        task="classification",
        classes=classes,
        splits={split: tuple(items) for split, items in sorted(splits.items())},
        files=files,
        format=name,
    )


def _inside(row: _Row, table: str) -> str:
    """The path of a row, relative to the table's folder, without `.`."""
    parts = [part for part in row.path.split("/") if part not in ("", ".")]
    if row.path.startswith("/") or row.path[1:2] == ":" or ".." in parts:
        raise DataError(
            f"{table}:{row.line} leads out of the folder of the table: {row.path}",
            expected="a path relative to that folder, without '..'",
        )
    return "/".join(parts)


def _found(row: _Row, table: str, files: FileTree, known: Mapping[str, str]) -> str:
    """The file that a row means, however its accents are written."""
    path = _inside(row, table)
    if path in files.sizes:
        return path
    if composed(path) in known:
        return known[composed(path)]
    raise DataError(
        f"{table}:{row.line} names {path}, which does not exist",
        fix=nearest(path, files.paths) or "correct the path or remove the line",
    )


def _split(row: _Row, table: str) -> str:
    if row.split is None:
        return WHOLE
    split = split_name(row.split)
    if split is None:
        raise DataError(
            f"{table}:{row.line} has the split {row.split!r}", expected=", ".join(SPLITS)
        )
    return split
