from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from manako.data.evenly import evenly_spaced


@given(st.integers(0, 500), st.integers(1, 60))
def test_a_few_of_many_lie_all_along_at_even_distances(length, most):
    found = list(evenly_spaced(range(length), most))

    assert len(found) == min(length, most)
    assert found[:1] == list(range(length))[:1]
    gaps = [after - before for before, after in pairwise([*found, length])]
    assert not gaps or max(gaps) - min(gaps) <= 1
