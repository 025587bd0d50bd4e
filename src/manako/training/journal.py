"""`metrics.jsonl`: one row of numbers at a time, in the order of the steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from manako.errors import ArtefactError
from manako.storage.files import append_line, write_text_atomic


class Journal:
    """The rows of one run. A run that goes on from an earlier step forgets the rows after it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: Mapping[str, float]) -> None:
        """Append `row`; all values must be finite."""
        append_line(self.path, json.dumps(dict(row), allow_nan=False))

    def rows(self) -> list[dict[str, float]]:
        """All whole rows; a last line torn by a kill is left out.

        Errors: ArtefactError naming the file and the line where another one is no row.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        # Only a line that ended was written whole; what follows the last newline was not.
        whole = enumerate(lines[:-1], start=1)
        return [self._row(number, line) for number, line in whole if line]

    def _row(self, number: int, line: bytes) -> dict[str, float]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            return row
        raise ArtefactError(
            f"{self.path} is damaged in line {number}: {line[:60]!r}",
            expected="a row of numbers as a JSON object, with its step",
            fix="remove the line; only the curves of the report lose a point by that",
        )

    def rewind(self, step: int) -> None:
        """Forget what was written after `step`."""
        kept = [row for row in self.rows() if row["step"] <= step]
        write_text_atomic(self.path, "".join(json.dumps(row) + "\n" for row in kept))
