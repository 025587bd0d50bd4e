"""Series of numbers in tables and arrays: a column, or a first index, for each channel."""

from __future__ import annotations

import io
import re

import numpy as np

from manako.data.signals.signal import Signal, as_values
from manako.errors import DataError

_CLOCK = re.compile(
    r"(?i)(?:(?:time|timestamp|t|index|step|sample|frame)(?:[ _]?\(?(?P<unit>s|sec|seconds|ms|"
    r"milliseconds)\)?)?)?"  # all of the name; or none, as pandas writes an index
)
_SEPARATORS = (";", "	", ",", " ")  # a comma may be inside numbers that others separate


def decode_table(data: bytes, name: str) -> Signal:
    """Rows of numbers, one for each step, as float32 [columns, rows].

    The separator is found: comma, semicolon, tab or spaces. Empty lines and those that begin with #
    are passed over; a first line of names is told by its letters. A first column that rises from
    line to line, and is called time, index or the like or not at all, is a clock and no channel;
    where it runs evenly in seconds or milliseconds (`time_s`, `time_ms`), it gives the rate.

    Errors: DataError naming the line that holds something else or has another number of columns.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no text in UTF-8 ({error})", expected="a table") from error
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise DataError(f"{name} holds no numbers", fix="remove it, or write it anew")
    separator = next((one for one in _SEPARATORS if one in lines[-1][1]), ",")
    names: list[str] = []
    if re.search(r"[A-DF-Za-df-z]", re.sub(r"(?i)nan|inf", "", lines[0][1])):
        names = _cells(lines.pop(0)[1], separator)
    rows = [_numbers(line, separator, number, name) for number, line in lines]
    for (number, _), row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{name}, line {number}: {len(row)} columns", expected=f"{len(rows[0])}, as before"
            )
    columns = np.array(rows, dtype=np.float64).T
    rate = None
    clock = _CLOCK.fullmatch(names[0].strip("\"'")) if names else None
    if clock and len(columns) > 1 and (np.diff(columns[0]) > 0).all():
        rate = _rate(clock["unit"], columns[0])
        columns = columns[1:]
    return Signal(as_values(columns, name), rate)


def decode_array(data: bytes, name: str) -> Signal:
    """An array in NumPy's format (.npy) as float32 [C, *size]; a single row is one channel.

    Errors: DataError for what is damaged, holds objects, or has five dimensions or more.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # the reader raises many kinds on damaged files
        raise DataError(
            f"{name} cannot be read as an array ({error})",
            expected="a whole .npy file of numbers",
            fix="write it anew with numpy.save",
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim > 4:
        raise DataError(
            f"{name} holds an array of {getattr(array, 'ndim', 'several')} dimensions",
            expected="[L], [C, L], [D, H, W] or [C, D, H, W]",
        )
    # Three indices are those of a volume: signals of two sizes are pictures, and come as such.
    return Signal(as_values(array[None] if array.ndim == 3 else array, name))


def _cells(line: str, separator: str) -> list[str]:
    parts = line.split() if separator == " " else line.split(separator)
    return [part.strip() for part in parts]


def _numbers(line: str, separator: str, number: int, name: str) -> list[float]:
    try:
        return [float(cell) for cell in _cells(line, separator)]
    except ValueError as error:
        raise DataError(
            f"{name}, line {number}: {error}",
            expected="numbers with a point, in as many columns as above",
        ) from error


def _rate(unit: str | None, times: np.ndarray) -> float | None:
    steps = np.diff(times)
    if unit is None or not steps.size or not np.allclose(steps, np.median(steps), rtol=0.01):
        return None
    seconds = np.median(steps) * (1e-3 if unit.lower().startswith("m") else 1.0)
    return float(f"{1 / seconds:.6g}")  # what is left of differences of rounded times
