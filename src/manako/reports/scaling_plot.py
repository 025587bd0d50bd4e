"""What scaled networks cost and how well they learned, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from manako.reports.network_plot import save

BLUE, GREY = "#1f5a96", "#8a8a8a"


@dataclass(frozen=True)
class Point:
    """A network: its multiply-adds, its score with the interval, and what is written beside it."""

    macs: float
    value: float
    low: float | None
    high: float | None
    label: str
    is_best: bool


def plot_scaling(path: Path, title: str, score: str, points: Sequence[Point]) -> None:
    """Write the picture to `path`: the score over the multiply-adds."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11)
    for number, point in enumerate(sorted(points, key=lambda one: (one.macs, one.value))):
        colour = BLUE if point.is_best else GREY
        macs = point.macs / 1e6
        if point.low is not None and point.high is not None:
            axes.plot([macs, macs], [point.low, point.high], color=colour, linewidth=1.2)
        axes.plot(macs, point.value, "o", color=colour, markersize=8 if point.is_best else 5)
        axes.annotate(
            point.label,
            (macs, point.value),
            (8 if number % 2 else -8, 6),
            textcoords="offset points",
            ha="left" if number % 2 else "right",
            fontsize=8,
            color=colour,
        )
    axes.set_xlabel("million multiply-adds for one picture")
    axes.set_ylabel(score)
    axes.margins(x=0.35, y=0.15)
    axes.grid(linewidth=0.4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save(figure, path)
