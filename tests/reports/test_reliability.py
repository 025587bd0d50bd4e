from __future__ import annotations

import functools

import pytest

from manako.reports import reliability
from manako.reports.reliability import LEFT, SIDE, STRIP, TOP, reliability_diagram
from manako.structures import ReliabilityBin, Score, Scores


def scores(*bins, **overall):
    values = {"accuracy": Score(0.5), **overall}
    return Scores("accuracy", values, reliability=tuple(bins) if bins else None)


def test_without_measured_reliability_there_is_no_diagram():
    assert reliability_diagram(scores(), "classification") is None
    empty = scores(ReliabilityBin(0.0, 0.5, 0, 0.0, 0.0))
    assert reliability_diagram(empty, "multilabel") is None


def test_bars_are_as_high_as_their_ranges_are_right():
    over = ReliabilityBin(0.5, 0.75, 100, 0.625, 0.25)
    under = ReliabilityBin(0.75, 1.0, 50, 0.8, 1.0)

    diagram = reliability_diagram(scores(over, under, ece=Score(0.0421)), "classification")

    first, second = diagram.bars
    near = functools.partial(pytest.approx, abs=0.06)  # drawn to a tenth of a unit
    x, y = LEFT + 0.5 * SIDE + 0.5, TOP + 0.75 * SIDE
    assert first.right == near((x, y, 0.25 * SIDE - 1, 0.25 * SIDE))
    assert first.gap[1::2] == near((TOP + 0.375 * SIDE, 0.375 * SIDE))
    assert second.right[1::2] == near((TOP, SIDE))
    assert second.gap[1::2] == near((TOP, 0.2 * SIDE))
    assert (first.surer, second.surer) == (True, False)
    assert (first.count[3], second.count[3]) == (STRIP, STRIP / 2)
    assert first.count[1] + first.count[3] == second.count[1] + second.count[3]
    assert (diagram.most, diagram.error) == ("100", "0.042")
    assert first.title == (
        "100 answers with confidence 0.50 to 0.75, mean 0.625: 0.250 of them right"
    )
    assert diagram.summary == f"{first.title}; {second.title}"


def test_every_bar_is_inside_the_drawing():
    bins = [
        ReliabilityBin(number / 15, (number + 1) / 15, 1 + 9 * number, (number + 0.5) / 15, share)
        for number, share in enumerate([0.0, 1.0] * 7 + [0.5])
    ]

    for bar in reliability_diagram(scores(*bins), "multilabel").bars:
        for left, top, width, height in (bar.right, bar.gap, bar.count):
            assert LEFT <= left < left + width <= LEFT + SIDE + 0.1
            assert height >= 0
            assert TOP - 0.1 <= top <= top + height <= reliability.HEIGHT - reliability.BOTTOM + 0.1
