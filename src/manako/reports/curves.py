"""Curves of a training run as numbers ready to be drawn: charts, axes, paths.

Only the geometry is made here; `templates/curves.jinja` writes it as SVG, so that its text can be
selected, follows the reader's light or dark scheme and is escaped like everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from manako.reports.numbers import axis_text, score_name

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 12, 38  # margins around the plot, for the numbers of the axes
MOST_POINTS = 200
"""A longer curve is drawn as means of equal stretches of steps, with the range of each behind."""
NOT_DRAWN = ("weighted_", "ece")
"""Beginnings of scores that are not drawn: weighted means follow the others, and a calibration
error is good when it is small."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve: `path` and `band` (range of values, "" if none) as SVG path data."""

    name: str
    path: str
    band: str
    dot: Point | None
    """Where a curve of a single point is."""
    summary: str


@dataclass(frozen=True)
class Chart:
    """Curves over one pair of axes; ticks are (pixel, text)."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def charts(rows: Sequence[Mapping[str, float]]) -> list[Chart]:
    """The charts of a run: losses, validation scores and learning rate, as far as recorded.

    `rows` are those of `ReportContents.curves`. Values that are not finite are left out.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    losses = [key for key in keys if key in ("loss", "val/loss") or key.startswith("loss/")]
    scores = [key for key in keys if key.startswith("val/") and key not in losses]
    scores = [key for key in scores if not key.removeprefix("val/").startswith(NOT_DRAWN)]
    groups = (
        ("Loss", losses),
        ("Scores on validation", scores),
        ("Learning rate", [key for key in keys if key == "lr"]),
    )
    made = []
    for title, names in groups:
        series = {name: points for name in names if (points := _points(rows, name))}
        if series:
            made.append(_chart(title, series))
    return made


def _points(rows: Sequence[Mapping[str, float]], key: str) -> list[Point]:
    points = [(float(row["step"]), float(row[key])) for row in rows if key in row and "step" in row]
    return sorted(point for point in points if all(map(math.isfinite, point)))


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) that cover `low` to `high`.

    >>> nice_ticks(0.07, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    largest = max(abs(low), abs(high))
    if largest < 1e-30:
        low, high = -0.5, 0.5
    elif high - low <= 1e-9 * largest:  # a level curve, as far as floats can tell
        low, high = low - 0.1 * largest, high + 0.1 * largest
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _chart(title: str, series: Mapping[str, list[Point]]) -> Chart:
    values = [value for points in series.values() for _, value in points]
    last_step = max(points[-1][0] for points in series.values())
    y_marks = nice_ticks(min(values), max(values))
    x_marks = [mark for mark in nice_ticks(0.0, max(last_step, 1.0)) if mark <= max(last_step, 1.0)]

    def at(point: Point) -> Point:
        across = point[0] / max(last_step, 1.0)
        up = (point[1] - y_marks[0]) / (y_marks[-1] - y_marks[0])
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    return Chart(
        title=title,
        lines=tuple(_line(name, points, at) for name, points in series.items()),
        x_ticks=tuple((at((mark, y_marks[0]))[0], axis_text(mark)) for mark in x_marks),
        y_ticks=tuple((at((0.0, mark))[1], axis_text(mark)) for mark in y_marks),
    )


def _line(name: str, points: list[Point], at: Callable[[Point], Point]) -> Line:
    middle, low, high = _thinned(points)
    band = ""
    if low != high:
        band = _path([at(point) for point in [*high, *reversed(low)]]) + "Z"
    ends = [points[0], points[-1]] if len(points) > 1 else points
    said = (f"{axis_text(_short(value))} at step {axis_text(step)}" for step, value in ends)
    return Line(
        name=name,
        path=_path([at(point) for point in middle]),
        band=band,
        dot=at(points[0]) if len(points) == 1 else None,
        summary=f"{_said(name)}: " + ", ".join(said),
    )


def _said(name: str) -> str:
    """The name of a curve as a reader sees it.

    >>> _said("val/macro_f1"), _said("val/loss")
    ('macro F1', 'loss on validation')
    """
    return "loss on validation" if name == "val/loss" else score_name(name.removeprefix("val/"))


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _thinned(points: list[Point]) -> tuple[list[Point], list[Point], list[Point]]:
    """Means, least and largest values of at most `MOST_POINTS` stretches of equal length."""
    size = -(-len(points) // MOST_POINTS)
    middle, low, high = [], [], []
    for start in range(0, len(points), size):
        steps, values = zip(*points[start : start + size], strict=True)
        step = sum(steps) / len(steps)
        middle.append((step, sum(values) / len(values)))
        low.append((step, min(values)))
        high.append((step, max(values)))
    return middle, low, high


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
