"""Series in .ts files, as the UEA and UCR archive has them: many in one file, with their classes.

Bagnall et al. 2018, https://arxiv.org/abs/1811.00075. Lines that begin with # are remarks, those
with @ say what follows; after @data each line is a series, its channels divided by colons, its
numbers by commas, its class at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manako.data.signals.signal import Values, as_values
from manako.errors import DataError


@dataclass(frozen=True)
class Series:
    """The series of a file in order, their labels, and the names of all classes in its order.

    In a file without classes the labels are empty.
    """

    values: tuple[Values, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]


def decode_ts(data: bytes, name: str) -> Series:
    """All series of a file, each float32 [C, L]; lengths may differ.

    Errors: DataError naming the line, for numbers that are missing (?), for a class that the head
    does not name, for channels of unequal length, and for files with time stamps.
    """
    text = data.decode("utf-8", errors="replace")
    head: dict[str, str] = {}
    values: list[Values] = []
    labels: list[str] = []
    in_data = has_classes = False
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if in_data:
            *channels, label = line.split(":") if has_classes else (*line.split(":"), "")
            values.append(_channels(channels, f"{name}, line {number}"))
            labels.append(label.strip())
        elif line.startswith("@"):
            key, _, value = line[1:].partition(" ")
            head[key.lower()] = value.strip()
            in_data = key.lower() == "data"
            has_classes = head.get("classlabel", "").lower().startswith("true")
    classes = head["classlabel"].split()[1:] if has_classes else []
    if head.get("timestamps", "false").lower() == "true":
        raise DataError(f"{name} has time stamps", expected="series in equal steps")
    for label in labels:
        if has_classes and label not in classes:
            raise DataError(
                f"{name}: class {label!r} is not in its head", expected=", ".join(classes)
            )
    if not values:
        raise DataError(f"{name} holds no series", expected="lines after @data")
    return Series(tuple(values), tuple(labels), tuple(classes))


def _channels(parts: list[str], where: str) -> Values:
    try:
        rows = [[float(cell) for cell in part.split(",")] for part in parts]
    except ValueError as error:
        raise DataError(f"{where}: {error}", expected="numbers, and none missing") from error
    if not rows or len({len(row) for row in rows}) != 1:
        raise DataError(
            f"{where}: channels of {', '.join(str(len(row)) for row in rows)} values",
            expected="channels of one length",
        )
    return as_values(np.array(rows), where)
