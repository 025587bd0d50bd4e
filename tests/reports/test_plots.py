"""Plots: everything is written on them, nothing over something else, the same each time."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.arithmetic import arithmetic
from manako.errors import UsageError
from manako.reports.network_plot import plot_network
from manako.reports.scaling_plot import Point, plot_scaling, spread_out

TRIALS = [
    Point(41e6, 0.80, 0.79, 0.81, "as given", is_best=False),
    *(Point(82e6, 0.81 + n / 5000, 0.80, 0.82, f"shape {n}", is_best=n == 3) for n in range(4)),
    Point(70e6, 0.5, None, None, "without interval", is_best=False),
]


def heights_of(text):
    """Where each of the labels stands in an .svg, in points from the top."""
    found = {}
    for label in [one.label for one in TRIALS]:
        match = re.search(rf"<text [^>]*translate\([\d.]+ ([\d.]+)\)[^>]*>{label}<", text)
        match = match or re.search(rf'<text [^>]*y="([\d.]+)"[^>]*>{label}<', text)
        found[label] = float(match[1])
    return found


def test_labels_of_networks_that_cost_and_score_alike_do_not_lie_on_each_other(tmp_path):
    plot_scaling(tmp_path / "a.svg", "resnet20, scaled", "accuracy, validation", TRIALS)
    plot_scaling(tmp_path / "b.svg", "resnet20, scaled", "accuracy, validation", TRIALS)
    drawn = (tmp_path / "a.svg").read_text()

    heights = heights_of(drawn)
    assert sorted(heights, key=heights.get)[::-1] == sorted(
        heights, key={one.label: one.value for one in TRIALS}.get
    )
    ordered = sorted(heights.values())
    assert min(after - before for before, after in pairwise(ordered)) > 11
    for text in ("resnet20, scaled", "accuracy, validation", "million multiply-adds"):
        assert text in drawn
    assert drawn == (tmp_path / "b.svg").read_text()


@given(st.lists(st.floats(0, 300), max_size=12).map(sorted))
def test_heights_are_spread_without_leaving_their_order(heights):
    lines = spread_out(heights, 10.0)

    assert len(lines) == len(heights)
    assert all(after - before > 9.999 for before, after in pairwise(lines))
    if all(after - before >= 10 for before, after in pairwise(heights)):
        assert lines == pytest.approx(heights)


def test_a_network_is_drawn_layer_by_layer(tmp_path):
    layers = arithmetic("resnet20").grouped(2)
    plot_network(tmp_path / "net.svg", "resnet20", layers)

    plot_network(tmp_path / "net.pdf", "resnet20", layers)
    assert b"CreationDate" not in (tmp_path / "net.pdf").read_bytes()
    drawn = (tmp_path / "net.svg").read_text()
    for layer in layers:
        assert layer.name in drawn
    assert "kept in training (kB)" in drawn


def test_a_plot_is_refused_as_a_file_that_is_no_picture(tmp_path):
    with pytest.raises(UsageError, match=r"net\.txt is no picture"):
        plot_network(tmp_path / "net.txt", "resnet20", arithmetic("resnet20").grouped(1))
