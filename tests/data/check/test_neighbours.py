import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.data.check.neighbours import near_pairs

ALL = {"most_compared": 10**9, "most_pairs": 10**9}


def by_definition(greys, radius):
    flat = greys.reshape(len(greys), 64).astype(np.float64)
    distances = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(axis=2))
    first, second = np.nonzero(distances <= radius)
    return {(int(a), int(b)) for a, b in zip(first, second, strict=True) if a < b}


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 60),
    spread=st.sampled_from([0.5, 4.0, 40.0]),
    radius=st.floats(0.5, 20),
)
def test_the_pairs_are_those_of_the_definition(seed, count, spread, radius):
    random = np.random.default_rng(seed)
    greys = random.normal(0, spread, (count, 8, 8)) + random.normal(0, 3 * spread, (count, 1, 1))
    greys = greys.astype(np.float32)

    found = near_pairs(greys, radius, **ALL)

    pairs = [(int(a), int(b)) for a, b in found.pairs]
    expected = by_definition(greys, radius)
    close_call = by_definition(greys, radius * 1.0001) - by_definition(greys, radius * 0.9999)
    assert found.complete
    assert len(pairs) == len(set(pairs))
    assert set(pairs) - close_call == expected - close_call


def test_equal_points_are_all_pairs_of_each_other():
    found = near_pairs(np.full((40, 8, 8), 100, np.float32), 1.0, **ALL)

    assert len(found.pairs) == 40 * 39 // 2


@pytest.mark.parametrize("limits", [{"most_compared": 1000}, {"most_pairs": 1000}])
def test_a_set_in_which_everything_is_alike_is_given_up_in_time(limits):
    found = near_pairs(np.zeros((5000, 8, 8), np.float32), 1.0, **{**ALL, **limits})

    assert not found.complete
    assert len(found.pairs) < 2_000_000
