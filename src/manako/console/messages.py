"""Results go to stdout, everything else to stderr.

File and class names come from strangers: control characters, which could drive the terminal, are
shown as U+FFFD, and characters the stream cannot encode as escapes.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from manako.errors import UsageError

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Switch messages and progress off or on again; warnings and results always appear."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether messages and progress are switched off."""
    return _quiet


def say(text: str) -> None:
    """One message on stderr, unless quiet."""
    if not _quiet:
        _write(sys.stderr, text)


def warn(text: str) -> None:
    """One warning on stderr, even when quiet."""
    _write(sys.stderr, f"warning: {text}")


def print_text(text: str) -> None:
    """Lines of text on stdout."""
    _write(sys.stdout, text)


def print_json(value: Any) -> None:
    """One JSON document on stdout; a number that is not finite becomes null.

    >>> print_json({"accuracy": 0.5, "loss": float("nan")})
    {
      "accuracy": 0.5,
      "loss": null
    }
    """
    _write(sys.stdout, json.dumps(_finite(value), indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """An aligned table on stdout; numbers to the right, None as an empty cell.

    Errors: UsageError for a row of another length than `columns`.

    >>> print_table(["class", "pictures"], [["cat", 12], ["dog", 7]])
    class  pictures
    cat          12
    dog           7
    """
    body = [list(row) for row in rows]
    for row in body:
        if len(row) != len(columns):
            raise UsageError(f"a row of {len(row)} cells in a table of {len(columns)} columns")
    right = [
        any(isinstance(row[at], int | float) for row in body)
        and all(row[at] is None or isinstance(row[at], int | float) for row in body)
        for at in range(len(columns))
    ]
    texts = [list(columns), *(["" if cell is None else str(cell) for cell in row] for row in body)]
    cells = [[_printable(text, keep="") for text in row] for row in texts]
    widths = [max(_width(row[at]) for row in cells) for at in range(len(columns))]
    for line in cells:
        padded = [_pad(*cell) for cell in zip(line, widths, right, strict=True)]
        _write(sys.stdout, "  ".join(padded).rstrip())


def _pad(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if to_the_right else text + space


def _width(text: str) -> int:
    """Terminal columns: East Asian wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _printable(text: str, keep: str) -> str:
    return "".join(
        one if one in keep or unicodedata.category(one) != "Cc" else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    line = _printable(text, keep="\n\t").encode(encoding, "backslashreplace").decode(encoding)
    stream.write(line + "\n")
    stream.flush()
