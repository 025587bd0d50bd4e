"""A table of pictures and their labels: comma-separated values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manako.data.formats.listing import (
    MEANINGS,
    SEPARATORS,
    Place,
    Row,
    checked_text,
    inside,
    meanings,
    parted_labels,
)
from manako.data.text import beginning, decoded
from manako.errors import DataError


@dataclass(frozen=True)
class CsvTable:
    """A column path (or image, file, filename, file_name) and a column label (or class, labels).

    A column split and a column group may stand beside them; others are passed over. The table is
    UTF-8, with or without a byte-order mark, with commas or semicolons between its columns.

    Several labels of a picture stand in one cell, separated by `|`: `cat|dog`. In a column called
    labels they may also be separated by `;` (in quotation marks where semicolons separate the
    columns), and the set is multilabel even if no cell holds two. A cell that is empty in such a
    set is a picture that shows none of the classes.
    """

    name: str = "CSV table"
    suffix: str = ".csv"

    def fault(self, data: bytes) -> str:
        """Why `data` are no table of pictures; empty if they seem to be one."""
        _, columns = _header(data)
        if all(set(MEANINGS[meaning]) & set(columns) for meaning in ("path", "label")):
            return ""
        return "is empty" if not columns else f"has the columns {', '.join(map(repr, columns))}"

    def rows(self, data: bytes, table: str, folder: str = "") -> Iterator[Row]:
        """The rows below the header; those without any text are passed over.

        Paths are relative to `folder`. Errors: DataError naming table and line.
        """
        text = decoded(data, table)
        delimiter, columns = _header(data)
        meaning = meanings(columns, table)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            next(reader)
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield _row(fields, columns, meaning, Place(table, reader.line_num), folder)
        except csv.Error as error:
            raise DataError(
                f"{table}:{reader.line_num} cannot be read: {error}", fix="correct the line"
            ) from error


def _header(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The delimiter and the names of the columns in lower case; no names if there are none."""
    line = re.split(r"[\r\n]", beginning(data), maxsplit=1)[0]
    delimiter = ";" if line.count(";") > line.count(",") else ","
    names = next(csv.reader([line], delimiter=delimiter), [])
    return delimiter, tuple(name.strip().lower() for name in names)


def _row(
    fields: Sequence[str],
    columns: Sequence[str],
    meaning: Mapping[str, int],
    place: Place,
    folder: str,
) -> Row:
    if len(fields) != len(columns):
        raise DataError(
            f"{place} has {len(fields)} fields",
            expected=f"{len(columns)}, as many as the header has columns",
            fix="put a field that holds the separator in quotation marks",
        )
    values = {name: fields[index].strip() for name, index in meaning.items()}
    if values.get("split") == "":
        raise DataError(f"{place} has no split", fix="fill it in")
    is_plural = columns[meaning["label"]] == "labels"
    labels = parted_labels(values["label"], SEPARATORS if is_plural else r"\|", place)
    group = checked_text(values.get("group", ""), "group", place)
    return Row(
        place,
        inside(values["path"], folder, place),
        labels,
        is_plural or len(labels) > 1,
        values.get("split"),
        group or None,
    )
