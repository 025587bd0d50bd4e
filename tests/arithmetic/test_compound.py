"""The search for the largest networks within limits."""

from __future__ import annotations

import pytest

from manako.arithmetic.compound import (
    Base,
    Rates,
    grid,
    largest,
    refuse_unscalable,
    spread,
)
from manako.errors import UsageError

BASE = Base("resnet20", {}, num_classes=10, in_channels=3, size_hw=(32, 32))
EVEN = Rates(1.2, 1.1, 1.15)  # the authors'


def test_rates_of_the_grid_double_the_cost():
    rates = grid()
    assert len(rates) > 40
    assert len(set(rates)) == len(rates)
    for one in rates:
        assert min(one.depth, one.width, one.resolution) >= 1
        assert one.product == pytest.approx(2, abs=0.1)
        assert sum(one.shares) == pytest.approx(1)
    assert EVEN in rates
    assert EVEN.product == pytest.approx(1.92, abs=0.01)


def test_those_chosen_are_even_then_depth_resolution_and_width_alone():
    even, *extremes = spread(grid(), 4)
    assert max(even.shares) < 0.45
    assert {max(range(3), key=one.shares.__getitem__) for one in extremes} == {0, 1, 2}
    assert all(max(one.shares) == pytest.approx(1) for one in extremes)
    assert len(set(spread(grid(), 9))) == 9


def test_a_coefficient_of_0_is_the_network_as_it_is():
    found = BASE.at(EVEN, 0.0)
    assert found.size_hw == (32, 32)
    assert found.cost.macs == 40_551_040


@pytest.mark.parametrize("rates", [EVEN, Rates(2.0, 1.0, 1.0), Rates(1.0, 1.4, 1.0)])
@pytest.mark.parametrize("limit", [20e6, 80e6, 160e6, 1e9])
def test_the_largest_that_fits_comes_near_the_limit_and_not_above(rates, limit):
    found = largest(BASE, rates, lambda one: one.cost.macs <= limit)
    assert 0.5 * limit < found.cost.macs <= limit  # blocks and channels are whole numbers
    just_above = BASE.at(rates, found.phi + 0.4)
    assert just_above.cost.macs > limit


def test_finer_pictures_keep_their_shape_in_whole_steps():
    base = Base("resnet18", {}, 10, 3, (90, 120))
    found = base.at(Rates(1.0, 1.0, 1.4), 2.0)
    assert found.size_hw == (178, 236)
    assert found.cost.input == (3, 178, 236)
    assert base.at(Rates(1.9, 1.0, 1.0), 1.0).size_hw == (90, 120)


def test_a_network_of_one_size_is_made_for_the_new_one():
    base = Base("vit_tiny_patch4_32", {"size": 32}, 10, 3, (32, 32))
    found = base.at(Rates(1.0, 1.0, 1.4), 2.0)
    assert found.size_hw == (64, 64)
    assert found.options["size"] == 64


def test_pictures_stay_as_large_as_the_network_needs_and_in_its_steps():
    base = Base("resnet18", {}, 10, 3, (36, 36), least_side=32)
    assert base.at(EVEN, -2.0).size_hw == (32, 32)
    patches = Base("vit_b_16", {"size": 128}, 10, 3, (128, 128), least_side=16, multiple=16)
    for phi in (-2.0, -1.0, 1.0, 2.5):
        found = patches.at(EVEN, phi)
        assert found.size_hw[0] % 16 == 0
        assert found.options["size"] == found.size_hw[0]


def test_networks_that_cannot_be_so_thin_are_passed_over():
    thin = Base("wrn_40_1", {}, 10, 3, (32, 32))
    assert thin.attempt(Rates(1.0, 1.4, 1.0), -40.0) is None
    found = largest(thin, Rates(1.0, 1.4, 1.0), lambda one: one.cost.macs <= 60e6)
    assert 15e6 < found.cost.macs <= 60e6  # from 8 channels to 16 the cost is fourfold


def test_nothing_may_fit():
    assert largest(BASE, EVEN, lambda one: False) is None


def test_networks_without_factors_are_refused():
    with pytest.raises(UsageError, match="lenet5 cannot be made deeper and wider"):
        refuse_unscalable("lenet5", ["size"], "classification")
    with pytest.raises(UsageError, match="choose another, such as ssd_resnet18"):
        refuse_unscalable("yolo", [], "detection")
    refuse_unscalable("resnet18", ["width_factor", "depth_factor"], "classification")
