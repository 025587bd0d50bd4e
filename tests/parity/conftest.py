"""What parity finds, written to the file that MANAKO_PARITY_RESULTS names, for the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from references import Case


@pytest.fixture(scope="session")
def parity() -> Iterator[Callable[[Case, float], None]]:
    """To be told every case and an error of it; the largest of a case counts."""
    largest: dict[Case, float] = {}

    def tell(case: Case, error: float) -> None:
        largest[case] = max(error, largest.get(case, 0.0))

    yield tell
    if path := os.environ.get("MANAKO_PARITY_RESULTS"):
        rows = [{**vars(case), "error": error} for case, error in largest.items()]
        Path(path).write_text(json.dumps(rows, indent=2) + "\n")
