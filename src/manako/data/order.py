"""Which samples a training step sees: a pure function of seed and step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from manako.data.randomness import permutation
from manako.errors import DataError, UsageError


def steps_per_epoch(count: int, batch_size: int) -> int:
    """How many batches the `count` samples make.

    The remainder is spread, so that no batch has a lone picture (which batch normalisation cannot
    use), unless batches of one were asked for. An odd number of pictures in pairs therefore makes
    one batch of three.

    >>> steps_per_epoch(10, 4), steps_per_epoch(5, 2)
    (3, 2)
    """
    if count < 2:
        have = "there is 1" if count == 1 else "there is none"
        raise DataError(f"need at least 2 training pictures; {have}", fix="add pictures")
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} cannot be used", expected="1 or more")
    steps = -(-count // batch_size)
    return steps if batch_size == 1 else min(steps, count // 2)


def epoch_batches(seed: int, epoch: int, count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """The sample indices of each batch of an epoch, every sample once.

    Sizes differ by one at most, the larger first.

    >>> [batch.tolist() for batch in epoch_batches(seed=0, epoch=0, count=5, batch_size=3)]
    [[4, 0, 3], [2, 1]]
    """
    return list(_epoch_batches(seed, epoch, count, batch_size))


def batch_at(seed: int, step: int, count: int, batch_size: int) -> tuple[int, NDArray[np.int64]]:
    """Epoch and sample indices of a step; steps are counted over all epochs, from 0."""
    if step < 0:
        raise UsageError(f"there is no step {step}", expected="0 or more")
    epoch, position = divmod(step, steps_per_epoch(count, batch_size))
    return epoch, _epoch_batches(seed, epoch, count, batch_size)[position]


@lru_cache(maxsize=4)
def _epoch_batches(
    seed: int, epoch: int, count: int, batch_size: int
) -> tuple[NDArray[np.int64], ...]:
    order = permutation(seed, epoch, count)
    order.setflags(write=False)  # the cache hands the same arrays out again
    return tuple(np.array_split(order, steps_per_epoch(count, batch_size)))
