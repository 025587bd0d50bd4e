"""The reliability diagram: how often a recognizer is right when it is so and so sure, or, where a
picture may show several classes, how often a class is shown that has such a probability.

After Guo et al. 2017, "On Calibration of Modern Neural Networks", figure 1: in each range of
confidence a bar as high as the share that was right (or shown), and its distance from the mean
confidence; below, how many answers fell into the range. As with the curves, only the geometry is
made here.
"""

from __future__ import annotations

from dataclasses import dataclass

from manako.reports.numbers import number_text
from manako.structures import Scores

SIDE = 250  # of the diagram itself, in which both axes run from 0 to 1
STRIP = 44  # height of the counts below it
LEFT, RIGHT, TOP, GAP, BOTTOM = 58, 26, 12, 24, 38
WIDTH = LEFT + SIDE + RIGHT
HEIGHT = TOP + SIDE + GAP + STRIP + BOTTOM
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Box = tuple[float, float, float, float]
"""Left, top, width and height in the units of the drawing."""


@dataclass(frozen=True)
class Words:
    """How a diagram speaks: of what it counts, by what they are sorted, and what bars mean."""

    title: str
    counted: str
    sure: str
    hit: str  # what a share of them is
    share: str
    over: str
    under: str
    even: str


_ANSWERS = Words(
    title="Share of right answers over confidence",
    counted="answers",
    sure="confidence",
    hit="right",
    share="share of the answers that is right",
    over="surer than right",
    under="less sure than right",
    even="as sure as right",
)
_LABELS = Words(
    title="Share of labels that are shown over their probability",
    counted="labels",
    sure="probability",
    hit="shown",
    share="share of them shown",
    over="too high",
    under="too low",
    even="as high as it should be",
)


@dataclass(frozen=True)
class ReliabilityBar:
    """One range of confidence: how often right, how far from confidence, how many answers."""

    right: Box
    gap: Box
    count: Box
    surer: bool  # than it should be: more confident than right
    title: str


@dataclass(frozen=True)
class ReliabilityDiagram:
    """Bars of the ranges that have answers; ticks are (pixel, text)."""

    bars: tuple[ReliabilityBar, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    most: str  # answers in the fullest range
    error: str
    summary: str  # all of it in words
    words: Words


def reliability_diagram(scores: Scores, task: str) -> ReliabilityDiagram | None:
    """The diagram of `scores` of a `task`; None where no reliability was measured."""
    bins = [one for one in scores.reliability or () if one.pictures]
    if not bins:
        return None
    words = _LABELS if task == "multilabel" else _ANSWERS
    most = max(one.pictures for one in bins)
    bars = []
    for one in bins:
        left, width = _x(one.low) + 0.5, SIDE * (one.high - one.low) - 1
        upper, lower = max(one.accuracy, one.confidence), min(one.accuracy, one.confidence)
        high = STRIP * one.pictures / most
        bars.append(
            ReliabilityBar(
                right=_box(left, _y(one.accuracy), width, SIDE * one.accuracy),
                gap=_box(left, _y(upper), width, SIDE * (upper - lower)),
                count=_box(left, TOP + SIDE + GAP + STRIP - high, width, high),
                surer=one.confidence > one.accuracy,
                title=f"{one.pictures:,} {words.counted} with {words.sure} {one.low:.2f} to "
                f"{one.high:.2f}, mean {one.confidence:.3f}: {one.accuracy:.3f} of them "
                f"{words.hit}",
            )
        )
    error = scores.overall.get("ece")
    return ReliabilityDiagram(
        bars=tuple(bars),
        x_ticks=tuple((_x(tick), f"{tick:g}") for tick in TICKS),
        y_ticks=tuple((_y(tick), f"{tick:g}") for tick in TICKS),
        most=f"{most:,}",
        error="" if error is None else number_text(error.value),
        summary="; ".join(bar.title for bar in bars),
        words=words,
    )


def _x(value: float) -> float:
    return round(LEFT + value * SIDE, 1)


def _y(value: float) -> float:
    return round(TOP + (1 - value) * SIDE, 1)


def _box(left: float, top: float, width: float, height: float) -> Box:
    return round(left, 1), round(top, 1), round(width, 1), round(height, 1)
