"""What all plots have in common: two colours, few lines, and files that are the same each time."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manako.storage.files import write_bytes_atomic

BLUE, GREY = "#1f5a96", "#8a8a8a"


def without_sides(axes: Axes, *sides: str) -> None:
    """Take away the lines at some sides of a plot."""
    for side in sides:
        axes.spines[side].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, without a date and random names of its parts.

    Errors: those of `write_bytes_atomic`.
    """
    dates = {".svg": "Date", ".pdf": "CreationDate"}
    suffix = path.suffix.lower()
    metadata = {dates[suffix]: None} if suffix in dates else None
    with rc_context({"svg.hashsalt": "manako", "svg.fonttype": "none"}):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix[1:] or None, dpi=150, metadata=metadata)
    write_bytes_atomic(path, drawn.getvalue())
