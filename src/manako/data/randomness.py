"""Random numbers that are a pure function of where they are used.

A generator with a state must be saved, restored and handed from process to process. A
counter-based one has no state: its output is a function of a key and a counter. Here the key is
the seed and the counter (index, epoch, block, stream), so the numbers of a sample are the same
whichever worker asks for them, in whatever order, after whatever resume, on every platform.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3 and table 2: Philox-4x32 with 10 rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from manako.errors import UsageError

__all__ = ["Draws", "permutation", "philox4x32", "uniforms"]

Item = TypeVar("Item")

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW_32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)

# What the numbers are for. Two uses never share a stream, so they are independent.
Purpose = Literal["augmentation", "mixing"]
_STREAMS: dict[Purpose, int] = {"augmentation": 0, "mixing": 2}
_ORDER = 1


def philox4x32(
    counter: Sequence[NDArray[np.uint64] | int], key: tuple[int, int]
) -> tuple[NDArray[np.uint64], ...]:
    """The four output words of Philox-4x32-10, element by element.

    `counter`: four words, each an int or an array [N] of values below 2**32; `key`: two words
    below 2**32. Returns four uint64 arrays [N], each value below 2**32.

    >>> [f"{int(word):08x}" for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> _32) ^ c1 ^ np.uint64(k0),
            product1 & _LOW_32,
            (product0 >> _32) ^ c3 ^ np.uint64(k1),
            product0 & _LOW_32,
        )
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniforms(
    seed: int,
    epoch: int,
    indices: NDArray[np.integer] | Sequence[int],
    count: int,
    purpose: Purpose = "augmentation",
) -> NDArray[np.float64]:
    """Numbers in [0, 1): `count` for each sample index, [len(indices), count].

    A row depends on (seed, epoch, its index) and the purpose alone, and starts alike for every
    `count`. The numbers are multiples of 2**-32.

    >>> bool((uniforms(1, 0, [5, 9], 3)[1] == uniforms(1, 0, [9], 3)[0]).all())
    True
    """
    key = _key(seed, epoch)
    samples = np.asarray(indices, dtype=np.uint64)
    blocks = -(-count // 4)
    index = np.repeat(samples, blocks)
    block = np.tile(np.arange(blocks, dtype=np.uint64), len(samples))
    words = philox4x32((index, epoch, block, _STREAMS[purpose]), key)
    # [N * blocks, 4] -> [N, blocks * 4]: the blocks of a sample lie side by side.
    rows = np.stack(words, axis=-1).reshape(len(samples), blocks * 4)[:, :count]
    return rows.astype(np.float64) * 2.0**-32


def permutation(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The numbers 0..n-1 in a random order that depends on (seed, epoch, n) alone.

    Every number draws 64 bits; sorting them (stably, so that even equal draws have one order)
    gives the permutation.

    >>> permutation(seed=0, epoch=0, n=5).tolist()
    [4, 0, 3, 2, 1]
    """
    if not 0 <= n < 2**32:
        raise UsageError(f"cannot permute {n} things", expected="0 to 2**32 - 1")
    key = _key(seed, epoch)
    blocks = -(-n // 2)
    w0, w1, w2, w3 = philox4x32((np.arange(blocks, dtype=np.uint64), epoch, 0, _ORDER), key)
    draws = np.stack([(w0 << _32) | w1, (w2 << _32) | w3], axis=-1).reshape(-1)[:n]
    return np.argsort(draws, kind="stable").astype(np.int64)


class Draws:
    """The numbers of one sample, taken one after the other.

    `numbers` are uniform in [0, 1), as a row of `uniforms` holds them.

    >>> draws = Draws([0.25, 0.5, 0.0, 0.99])
    >>> draws.uniform(2, 4), draws.integer(0, 10), draws.chance(0.5), draws.choice("abc")
    (2.5, 5, True, 'c')
    """

    __slots__ = ("_count", "_numbers")

    def __init__(self, numbers: Sequence[float] | NDArray[np.float64]) -> None:
        self._count = len(numbers)
        self._numbers: Iterator[float] = iter(numbers)

    def uniform(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return low + (high - low) * self._next()

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high` - 1."""
        if high <= low:
            raise UsageError(f"no whole number is at least {low} and below {high}")
        return low + int((high - low) * self._next())

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._next() < probability

    def choice(self, options: Sequence[Item]) -> Item:
        """One of the options, each as likely as the others."""
        return options[self.integer(0, len(options))]

    def _next(self) -> float:
        for number in self._numbers:
            return float(number)
        raise UsageError(
            f"a transform took more than its {self._count} random numbers",
            fix="raise the transform's `draws` to the most it ever takes",
        )


def _key(seed: int, epoch: int) -> tuple[int, int]:
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed {seed} cannot be used", expected="0 to 2**64 - 1")
    if not 0 <= epoch < 2**32:
        raise UsageError(f"epoch {epoch} cannot be used", expected="0 to 2**32 - 1")
    return seed & 0xFFFFFFFF, seed >> 32
