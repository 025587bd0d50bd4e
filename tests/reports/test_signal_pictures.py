"""Signals and volumes drawn for people."""

from __future__ import annotations

import torch

from manako.reports.signal_pictures import LANE, WIDTH, shown


def test_a_picture_is_shown_as_it_is():
    picture = torch.zeros(3, 4, 5, dtype=torch.uint8)
    assert shown(picture) is picture


def test_a_signal_is_a_curve_from_its_lowest_to_its_highest_value():
    drawn = shown(torch.linspace(-3, 9, 1000)[None])
    ink = drawn[0] < 128
    assert drawn.shape == (3, LANE + 12, WIDTH)
    assert ink.any(0).all()  # no gap
    rows = ink.float().argmax(0)  # the highest ink of each column
    assert rows[0] > rows[WIDTH // 2] > rows[-1]
    assert (rows[:-1] >= rows[1:]).all()


def test_each_channel_has_a_lane_and_short_or_constant_ones_are_drawn_too():
    drawn = shown(torch.zeros(3, 2))
    assert drawn.shape[1] == 3 * (LANE + 6) + 6
    assert (drawn[0] < 128).any(1).sum() >= 3


def test_the_lowest_band_is_below_and_a_volume_is_cut_three_times():
    bands = torch.zeros(1, 4, 6)
    bands[0, 0] = 1
    drawn = shown(bands)
    assert drawn[0, -1].min() == 255
    assert drawn[0, 0].max() == 0
    assert shown(torch.randn(1, 4, 1)).shape[1] <= 1600
    assert shown(torch.randn(1, 8, 90_000)).shape[2] == 1600
    volume = torch.zeros(1, 4, 5, 6)
    volume[0, 2] = 1
    drawn = shown(volume)
    factor = drawn.shape[1] // 5
    assert drawn.shape == (1, 5 * factor, (6 + 2 + 6 + 2 + 5 + 2) * factor)
    assert (drawn[0, : 5 * factor, : 6 * factor] == 255).all()  # the slice in the middle
