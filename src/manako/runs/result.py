"""What a run gives its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manako.config.settings import Settings
from manako.recognizer import Recognizer
from manako.structures import Scores


@dataclass(frozen=True)
class Run:
    """A finished run: its product, its scores by split, its settings and its folder."""

    recognizer: Recognizer
    metrics: Mapping[str, Scores]
    settings: Settings
    folder: Path
    seconds: float  # spent on training, over all its processes' lives

    @property
    def headline(self) -> Scores:
        """The scores on test pictures where there are any, else on validation pictures."""
        return self.metrics.get("test", self.metrics["val"])
