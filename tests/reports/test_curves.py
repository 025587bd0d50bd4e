from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from manako.reports.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    charts,
    nice_ticks,
)

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def points(path):
    return [tuple(map(float, pair.split())) for pair in re.findall(r"[-\d.e]+ [-\d.e]+", path)]


def test_losses_scores_and_learning_rate_have_a_chart_each():
    rows = [
        {"step": 1, "loss": 2.0, "loss/box": 0.5, "lr": 0.1, "seconds": 3.0, "epoch": 0},
        {"step": 9, "val/accuracy": 0.5, "val/loss": 1.0},
    ]

    drawn = {chart.title: [line.name for line in chart.lines] for chart in charts(rows)}

    assert drawn == {
        "Loss": ["loss", "loss/box", "val/loss"],
        "Scores on validation": ["val/accuracy"],
        "Learning rate": ["lr"],
    }


def test_a_point_lies_where_the_ticks_say():
    rows = [{"step": step, "loss": loss} for step, loss in ((0, 0.0), (50, 1.0), (100, 2.0))]

    [chart] = charts(rows)

    x_of = {text: x for x, text in chart.x_ticks}
    y_of = {text: y for y, text in chart.y_ticks}
    assert points(chart.lines[0].path) == [
        (x_of["0"], y_of["0"]),
        ((x_of["0"] + x_of["100"]) / 2, y_of["1"]),
        (x_of["100"], y_of["2"]),
    ]
    assert (x_of["0"], x_of["100"]) == (LEFT, WIDTH - RIGHT)
    assert (y_of["0"], y_of["2"]) == (HEIGHT - BOTTOM, TOP)


def test_a_long_curve_is_drawn_as_means_with_their_range():
    rows = [{"step": step, "loss": 1.0 + (-1) ** step} for step in range(10_000)]

    [chart] = charts(rows)

    line = chart.lines[0]
    middle, band = points(line.path), points(line.band)
    y_of = {text: y for y, text in chart.y_ticks}
    assert len(middle) <= MOST_POINTS
    assert {y for _, y in middle} == {y_of["1"]}
    assert {y for _, y in band} == {y_of["0"], y_of["2"]}


def test_one_point_is_a_dot():
    [chart] = charts([{"step": 7, "loss": 2.0}])

    assert chart.lines[0].dot is not None
    assert chart.lines[0].summary == "loss: 2 at step 7"


def test_values_that_are_no_numbers_are_left_out():
    rows = [
        {"step": 1, "loss": math.nan, "lr": math.inf},
        {"step": 2, "loss": 1.5},
        {"loss": 9.0},
    ]

    [chart] = charts(rows)

    assert chart.lines[0].summary == "loss: 1.5 at step 2"


@given(st.tuples(FINITE, FINITE).map(sorted))
def test_ticks_are_few_round_and_cover_the_range(ends):
    low, high = ends

    ticks = nice_ticks(low, high)

    assert 2 <= len(ticks) <= 12
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert ticks == sorted(set(ticks))


@given(st.lists(st.tuples(st.integers(0, 10**6), FINITE), min_size=1, max_size=500))
def test_every_point_lies_inside_the_plot(values):
    for chart in charts([{"step": step, "loss": loss} for step, loss in values]):
        for line in chart.lines:
            for x, y in [*points(line.path), *points(line.band)]:
                assert LEFT - 1 <= x <= WIDTH - RIGHT + 1
                assert TOP - 1 <= y <= HEIGHT - BOTTOM + 1
