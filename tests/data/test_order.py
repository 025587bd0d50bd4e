import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.data.order import batch_at, epoch_batches, steps_per_epoch
from manako.data.randomness import permutation
from manako.errors import DataError, UsageError


@given(st.integers(0, 99), st.integers(0, 9), st.integers(2, 200), st.integers(1, 60))
def test_an_epoch_holds_every_sample_once_in_batches_of_almost_one_size(
    seed, epoch, count, batch_size
):
    batches = epoch_batches(seed, epoch, count, batch_size)

    sizes = [len(batch) for batch in batches]
    assert (np.concatenate(batches) == permutation(seed, epoch, count)).all()
    assert len(batches) == steps_per_epoch(count, batch_size)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(batch_size, 2)
    assert max(sizes) <= batch_size or (batch_size == 2 and max(sizes) == 3)


def test_the_number_of_steps_is_the_ceiling_of_the_division():
    assert steps_per_epoch(50_000, 256) == 196
    assert steps_per_epoch(256, 256) == 1
    assert steps_per_epoch(257, 256) == 2
    assert steps_per_epoch(3, 256) == 1


def test_steps_run_through_the_batches_of_one_epoch_after_the_other():
    expected = [
        (epoch, batch.tolist()) for epoch in range(3) for batch in epoch_batches(5, epoch, 11, 4)
    ]

    steps = [batch_at(5, step, 11, 4) for step in range(len(expected))]

    assert [(epoch, indices.tolist()) for epoch, indices in steps] == expected


def test_the_indices_cannot_be_changed_by_mistake():
    _, indices = batch_at(0, 0, 10, 4)

    with pytest.raises(ValueError, match="read-only"):
        indices[0] = 0


@pytest.mark.parametrize(("count", "have"), [(0, "there is none"), (1, "there is 1")])
def test_fewer_than_two_pictures_are_refused(count, have):
    with pytest.raises(DataError, match=f"need at least 2 training pictures; {have}"):
        steps_per_epoch(count, 4)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(UsageError, match="batch size 0 cannot be used"):
        epoch_batches(0, 0, 10, 0)


def test_a_step_before_the_first_is_refused():
    with pytest.raises(UsageError, match="there is no step -1"):
        batch_at(0, -1, 10, 2)
