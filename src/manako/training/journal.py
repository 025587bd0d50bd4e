"""`metrics.jsonl`: one row of numbers at a time, in the order of the steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from manako.storage.files import append_line, write_text_atomic


class Journal:
    """The rows of one run. A run that goes on from an earlier step forgets the rows after it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: Mapping[str, float]) -> None:
        """Append `row`; all values must be finite."""
        append_line(self.path, json.dumps(dict(row), allow_nan=False))

    def rows(self) -> list[dict[str, float]]:
        """All whole rows; a last line torn by a kill is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        # Only a line that ended was written whole; what follows the last newline was not.
        return [json.loads(line) for line in lines[:-1] if line]

    def rewind(self, step: int) -> None:
        """Forget what was written after `step`."""
        kept = [row for row in self.rows() if row["step"] <= step]
        write_text_atomic(self.path, "".join(json.dumps(row) + "\n" for row in kept))
