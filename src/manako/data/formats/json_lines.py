"""Pictures and their labels as JSON lines: one object a line, as in the metadata.jsonl of
image folders."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

MOST_LINE_CHARACTERS = 2**20
"""The longest line that is parsed."""


@dataclass(frozen=True)
class JsonLines:
    """A key path (or image, file, filename, file_name) and a key label (or class, labels).

    `{"path": "1.jpg", "label": "cat"}` gives one label, a text or a whole number;
    `{"path": "1.jpg", "labels": ["cat", "dog"]}` gives several. A list in any line makes the set
    multilabel; `[]` is a picture that shows none of the classes. Under the key labels a text is a
    list, too, as in a CSV table: `"cat|dog"` or `"cat;dog"`. Keys split and group may stand beside
    them, others are passed over. Blank lines are, too.
    """

    name: str = "JSON lines"
    suffix: str = ".jsonl"

    def fault(self, data: bytes) -> str:
        """Why `data` list no pictures; empty if they seem to, even where a line is at fault."""
        text = beginning(data)
        keys = {key.strip().lower() for key in re.findall(r'"([^"\n]{1,30})"\s*:', text)}
        if all(set(MEANINGS[meaning]) & keys for meaning in ("path", "label")):
            return ""
        if not text.strip():
            return "is empty"
        return f"has the keys {', '.join(map(repr, sorted(keys)[:20]))}" if keys else "has no keys"

    def rows(self, data: bytes, table: str, folder: str = "") -> Iterator[Row]:
        """One row for each line. Paths are relative to `folder`.

        Errors: DataError naming table and line: no JSON, a key that stands there twice, NaN.
        """
        known: dict[tuple[str, ...], dict[str, int]] = {}
        # Not splitlines: a JSON text may hold other line ends of Unicode.
        for number, line in enumerate(decoded(data, table).split("\n"), start=1):
            if line.strip():
                place = Place(table, number)
                record = _parsed(line, place)
                keys = tuple(record)
                if keys not in known:
                    known[keys] = _meaning(keys, place)
                given = {name: record[keys[index]] for name, index in known[keys].items()}
                is_plural = keys[known[keys]["label"]].strip().lower() == "labels"
                yield _row(given, is_plural, place, folder)


class _FaultError(ValueError):
    """What is valid for the parser, but not here."""


def _parsed(line: str, place: Place) -> dict[str, Any]:
    if len(line) > MOST_LINE_CHARACTERS:
        raise DataError(
            f"{place} has {len(line):,} characters",
            expected=f"at most {MOST_LINE_CHARACTERS:,}",
            fix="write one object a line",
        )
    try:
        value = json.loads(
            line, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
    except _FaultError as error:
        raise DataError(f"{place} {error}", fix="correct the line") from error
    except RecursionError as error:
        raise DataError(f"{place} is nested too deeply", fix="correct the line") from error
    except ValueError as error:
        raise DataError(
            f"{place} cannot be read as JSON: {error}",
            expected='one object a line, such as {"path": "1.jpg", "label": "cat"}',
            fix="correct the line",
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            f"{place} holds {_kind(value)}",
            expected='one object a line, such as {"path": "1.jpg", "label": "cat"}',
        )
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _FaultError(f"has the key {double!a} twice")
    return found


def _no_number(text: str) -> float:
    raise _FaultError(f"holds {text}, which is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _FaultError(f"holds {text[:20]}, which is too large for a number")
    return number


def _meaning(keys: Sequence[str], place: Place) -> dict[str, int]:
    """What each key that matters means -> its index."""
    meaning = meanings([key.strip().lower() for key in keys], str(place))
    for name in ("path", "label"):
        if name not in meaning:
            raise DataError(
                f"{place} has no {name}",
                expected=f"a key {' or '.join(MEANINGS[name])}"
                + ("; [] for a picture that shows none of several" if name == "label" else ""),
            )
    return meaning


def _row(given: Mapping[str, Any], is_plural: bool, place: Place, folder: str) -> Row:
    path = given["path"]
    if not isinstance(path, str):
        raise DataError(f"{place} has {_kind(path)} for a path", expected="text")
    labels = _labels(given["label"], is_plural, place)
    split, group = (
        _name(given[name], name, place) if given.get(name) is not None else None
        for name in ("split", "group")
    )
    return Row(
        place,
        inside(path.strip(), folder, place),
        labels,
        is_plural or isinstance(given["label"], list),
        split,
        group,
    )


def _labels(value: Any, is_plural: bool, place: Place) -> tuple[str, ...]:
    """The labels under a key that is called labels (`is_plural`) or not, each once."""
    if isinstance(value, list):
        return tuple(dict.fromkeys(_name(one, "label", place) for one in value))
    if is_plural and isinstance(value, str):
        return parted_labels(value.strip(), SEPARATORS, place)
    label = _name(value, "label", place)
    if "|" in label:
        raise DataError(
            f"{place} has the label {label!r}, which may be one or several",
            expected="one label, or a list of several",
            fix='write ["cat", "dog"] for several; ["cat|dog"] is one of that name',
        )
    return (label,)


def _name(value: object, what: str, place: Place) -> str:
    """A name, given as text or as a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise DataError(
            f"{place} has {_kind(value)} for a {what}",
            expected="text or a whole number" + (", or a list of these" * (what == "label")),
        )
    name = checked_text(value.strip(), what, place)
    if not name:
        raise DataError(
            f"{place} has an empty {what}",
            fix="fill it in" + ("; [] is a picture that shows none of several" * (what == "label")),
        )
    return name


def _kind(value: object) -> str:
    """What a JSON value is, in words."""
    kinds: dict[type, str] = {bool: "true or false", int: "a number", float: "a fraction"}
    kinds |= {str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")
