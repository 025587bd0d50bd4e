"""Drawing for the pages of the documentation: grids of numbers, and figures as SVG."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

BLUE, ORANGE, GREEN, RED, GREY = "#1f5a96", "#d9822b", "#3a7d44", "#a8323a", "#8a8a8a"
COLOURS = (BLUE, ORANGE, GREEN, RED)


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **how: object):
    """A figure of so many inches, and its axes."""
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(rows, columns, **how)


def grid(axes: Axes, values: np.ndarray, title: str = "") -> None:
    """The numbers of a matrix in cells, darker where they are larger."""
    values = np.asarray(values)
    shade = values.astype(float)
    axes.imshow(shade, cmap="Blues", vmin=shade.min() - 1, vmax=shade.max() + np.ptp(shade) + 1)
    for row, column in np.ndindex(values.shape):
        text = f"{values[row, column]:g}"
        axes.text(column, row, text, ha="center", va="center", fontsize=9)
    axes.set_xticks(np.arange(-0.5, values.shape[1]), [])
    axes.set_yticks(np.arange(-0.5, values.shape[0]), [])
    axes.grid(color="white", linewidth=1.5)
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    axes.set_title(title, fontsize=10)


def frame(axes: Axes, row: int, column: int, height: int, width: int, colour: str) -> None:
    """A frame around cells of a grid."""
    axes.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5),
            width,
            height,
            fill=False,
            edgecolor=colour,
            linewidth=2.5,
            clip_on=False,
            zorder=3,
        )
    )


def show(drawn: Figure, caption: str) -> str:
    """The figure as a page takes it."""
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "manako", "svg.fonttype": "none"}):
        drawn.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{caption}"', 1)
    return f'<figure class="figure">{svg}<figcaption>{caption}</figcaption></figure>'
