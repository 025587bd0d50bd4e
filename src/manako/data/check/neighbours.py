"""Which of many points lie near each other: all pairs, without looking at all pairs.

Each point is the 8 x 8 grey version of a picture. Its discrete cosine transform keeps distances
(Parseval), and a few of its coefficients hold most of what tells pictures apart: for photographs
the mean brightness and the two slopes. Points near each other are near in each coefficient, so a
point is only compared to those of the neighbouring cells of a grid over the three coefficients that
vary most, and of these to the ones whose fourth is near. Nothing within the radius is missed, as a
hash would miss it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 8
_PORTION = 1_000_000

Pairs = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Near:
    """Pairs [M, 2] of indices, the smaller first, and whether they are all."""

    pairs: Pairs
    complete: bool


def near_pairs(greys: Floats, radius: float, *, most_compared: int, most_pairs: int) -> Near:
    """Pairs of the pictures `greys` [N, 8, 8] whose root mean square difference is <= `radius`.

    A set in which everything resembles everything is given up after about `most_compared` pairs
    were looked at or `most_pairs` were found.
    """
    if len(greys) < 2:
        return Near(np.empty((0, 2), np.int64), complete=True)
    points = _transformed(greys)
    reach = radius * SIDE  # sum of squares over 64 samples
    found: list[Pairs] = []
    count = compared = 0
    for pairs in _candidates(points, reach):
        compared += len(pairs)
        difference = points[pairs[:, 0], :12] - points[pairs[:, 1], :12]
        pairs = pairs[(difference**2).sum(axis=1) <= reach**2]
        difference = points[pairs[:, 0]] - points[pairs[:, 1]]
        pairs = pairs[(difference**2).sum(axis=1) <= reach**2]
        found.append(np.sort(pairs, axis=1))
        count += len(pairs)
        if count > most_pairs or compared > most_compared:
            return Near(np.concatenate(found), complete=False)
    joined = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    return Near(joined[np.lexsort((joined[:, 1], joined[:, 0]))], complete=True)


def _transformed(greys: Floats) -> Floats:
    """The DCT-II [N, 64] of each picture, orthonormal; what differs most among them first."""
    step = np.arange(SIDE)
    basis = np.cos(np.pi / SIDE * (step[None] + 0.5) * step[:, None]) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    both = np.kron(basis, basis)  # row u * 8 + v: frequency u down, v across
    points: Floats = greys.reshape(-1, SIDE * SIDE) @ both.T.astype(np.float32)
    return points[:, np.argsort(-points.var(axis=0), kind="stable")]


def _candidates(points: Floats, reach: float) -> Iterator[Pairs]:
    """Pairs that agree in the first four coefficients to within `reach`, each once."""
    cells = np.floor(points[:, :3] / reach).astype(np.int64)
    cells -= cells.min(axis=0) - 1
    size = cells.max(axis=0) + 2
    codes = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    known, places = np.unique(codes, return_inverse=True)
    fourth = points[:, 3].astype(np.float64)
    span = np.ptp(fourth) + 4 * reach + 1.0  # between cells, so that no window reaches over
    keys = places * span + (fourth - fourth.min())
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    for step in _half_the_neighbours():
        offset = (step[0] * size[1] + step[1]) * size[2] + step[2]
        there = np.searchsorted(known, codes[order] + offset)
        exists = known[np.minimum(there, len(known) - 1)] == codes[order] + offset
        base = there * span + (fourth[order] - fourth.min())
        low = np.searchsorted(keys, base - reach, side="left")
        high = np.searchsorted(keys, base + reach, side="right")
        if step == (0, 0, 0):
            low = np.arange(len(keys)) + 1  # each pair once, none with itself
        lengths = np.where(exists, np.maximum(high - low, 0), 0)
        for first, second in _expanded(low, lengths):
            yield np.stack([order[first], order[second]], axis=1)


def _half_the_neighbours() -> list[tuple[int, ...]]:
    """The cell itself and 13 of the 26 around it; the others see it from their side."""
    return [step for step in itertools.product((-1, 0, 1), repeat=3) if step >= (0, 0, 0)]


def _expanded(
    low: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each index i with the indices low[i] .. low[i] + lengths[i] - 1, a portion at a time."""
    start = 0
    ends = np.cumsum(lengths)
    while start < len(lengths):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + _PORTION, side="right")), start + 1)
        some = lengths[start:stop]
        first = np.repeat(np.arange(start, stop), some)
        within = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some)
        yield first, np.repeat(low[start:stop], some) + within
        start = stop
