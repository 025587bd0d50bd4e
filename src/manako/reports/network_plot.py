"""The layers of a network as a picture: what each costs, and what its units see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manako.arithmetic import Layer
from manako.errors import UsageError
from manako.reports.plots import BLUE, GREY, save, without_sides

FORMATS = (".svg", ".png", ".pdf")
INCHES_A_LAYER = 0.22


def plot_network(path: Path, title: str, layers: Sequence[Layer]) -> None:
    """Write the picture to `path`: rows are layers, columns are figures.

    Raises UsageError for a kind of file that is not known.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name} is no picture", expected=f"a file {', '.join(FORMATS)}")
    columns: Sequence[tuple[str, Sequence[float | None]]] = (
        ("multiply-adds (million)", [one.macs / 1e6 for one in layers]),
        ("parameters (thousand)", [one.params / 1e3 for one in layers]),
        ("kept in training (kB)", [one.kept_bytes / 1e3 for one in layers]),
        ("sees (pixels)", [one.receptive_field for one in layers]),
    )
    figure = Figure(figsize=(11, 1.6 + INCHES_A_LAYER * len(layers)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    all_axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (name, values) in zip(all_axes, columns, strict=True):
        _bars(axes, name, values)
    rows = [f"{one.name}   {'x'.join(map(str, one.output))}" for one in layers]
    all_axes[0].set_yticks(range(len(layers)), rows, fontsize=8)
    all_axes[0].set_ylim(len(layers) - 0.5, -0.5)  # the first on top
    save(figure, path)


def _bars(axes: Axes, name: str, values: Sequence[float | None]) -> None:
    rows = [row for row, value in enumerate(values) if value]
    widths = [value for value in values if value]
    axes.barh(rows, widths, height=0.7, color=BLUE)
    for row, width in zip(rows, widths, strict=True):
        axes.annotate(
            _number(width), (width, row), (3, 0), textcoords="offset points",
            va="center", fontsize=7, color=GREY,
        )  # fmt: skip
    axes.set_xlabel(name, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(x=0.22)
    axes.set_axisbelow(True)
    axes.grid(axis="x", linewidth=0.4)
    without_sides(axes, "top", "right", "left")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
