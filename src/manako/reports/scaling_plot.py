"""What scaled networks cost and how well they learned, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from manako.reports.plots import BLUE, GREY, save, without_sides

LINE = 12.0  # points between lines of text
POINTS_AN_INCH = 72


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
    axes.set_xlabel("million multiply-adds for one picture")
    axes.set_ylabel(score)
    axes.grid(linewidth=0.4)
    without_sides(axes, "top", "right")
    for point in points:
        macs, colour = point.macs / 1e6, BLUE if point.is_best else GREY
        if point.low is not None and point.high is not None:
            axes.plot([macs, macs], [point.low, point.high], color=colour, linewidth=1.2)
        axes.plot(macs, point.value, "o", color=colour, markersize=8 if point.is_best else 5)
    axes.margins(x=0.1, y=0.15)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + (right - left) * 0.6)  # room for what is written
    figure.draw_without_rendering()  # only now it is known where the points lie
    ordered = sorted(points, key=lambda one: one.value)
    places = [(one.macs / 1e6, one.value) for one in ordered]
    heights = axes.transData.transform(places)[:, 1] * POINTS_AN_INCH / figure.dpi
    lines = spread_out(heights.tolist(), LINE)
    for point, place, height, line in zip(ordered, places, heights, lines, strict=True):
        colour = BLUE if point.is_best else GREY
        axes.annotate(
            point.label, place, (16, line - height), textcoords="offset points",
            va="center", fontsize=8, color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5},
        )  # fmt: skip
    save(figure, path)


def spread_out(heights: Sequence[float], least: float) -> list[float]:
    """Rising heights moved as little as needed to be `least` apart.

    >>> spread_out([0.0, 1.0, 30.0], 10.0)
    [-4.5, 5.5, 30.0]
    """
    groups: list[list[float]] = []  # of heights that push each other
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _top(groups[-2], least) > _bottom(groups[-1], least) - least:
            last = groups.pop()
            groups[-1] += last
    return [line for group in groups for line in _lines(group, least)]


def _lines(group: Sequence[float], least: float) -> list[float]:
    """Lines `least` apart around the middle of a group."""
    return [_bottom(group, least) + place * least for place in range(len(group))]


def _bottom(group: Sequence[float], least: float) -> float:
    return sum(group) / len(group) - (len(group) - 1) / 2 * least


def _top(group: Sequence[float], least: float) -> float:
    return _bottom(group, least) + (len(group) - 1) * least
