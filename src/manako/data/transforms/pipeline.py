"""Transforms in a row, and the random numbers they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from manako.data.randomness import Draws, uniforms
from manako.data.transforms.moves import AlternatingFlip
from manako.structures import Sample


class Transform(Protocol):
    """Changes a picture and, with it, the truth."""

    @property
    def draws(self) -> int:
        """The largest number of random numbers that one call takes."""

    def __call__(self, sample: Sample, draws: Draws, /) -> Sample:
        """The changed sample; the one that came is left as it was."""


@dataclass(frozen=True)
class Pipeline:
    """Transforms applied one after the other.

    Each has its own section of the random numbers, `draws` long, so what one transform takes
    never shifts the numbers of the next.
    """

    transforms: tuple[Transform, ...]

    @property
    def draws(self) -> int:
        """How many random numbers one sample needs."""
        return sum(transform.draws for transform in self.transforms)

    def numbers(
        self, seed: int, epoch: int, indices: NDArray[np.integer] | Sequence[int]
    ) -> NDArray[np.float64]:
        """The random numbers of some samples in an epoch, [len(indices), draws].

        A row is a function of (seed, epoch, its index) alone. An `AlternatingFlip` gets the
        number of the first epoch, half a turn further in every second epoch: what was below ½ is
        then above it.
        """
        numbers = uniforms(seed, epoch, indices, self.draws)
        columns = self._alternating
        if columns and epoch:
            first = uniforms(seed, 0, indices, columns[-1] + 1)[:, columns]
            numbers[:, columns] = (first + epoch % 2 / 2) % 1
        return numbers

    @property
    def _alternating(self) -> list[int]:
        """The columns of the numbers that belong to alternating flips."""
        starts = np.cumsum([0, *(transform.draws for transform in self.transforms)]).tolist()
        pairs = zip(starts, self.transforms, strict=False)
        return [start for start, transform in pairs if isinstance(transform, AlternatingFlip)]

    def __call__(self, sample: Sample, numbers: Sequence[float]) -> Sample:
        """The sample after all transforms; `numbers` are a row of `numbers(...)`."""
        start = 0
        for transform in self.transforms:
            stop = start + transform.draws
            sample = transform(sample, Draws(numbers[start:stop]))
            start = stop
        return sample
