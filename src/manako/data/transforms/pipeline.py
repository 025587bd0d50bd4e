"""Transforms in a row, and the random numbers they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from manako.data.randomness import Draws
from manako.structures import Sample


class Transform(Protocol):
    """Changes a picture and, with it, the truth.

    `draws` is the largest number of random numbers that one call takes.
    """

    draws: ClassVar[int]

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

    def __call__(self, sample: Sample, numbers: Sequence[float]) -> Sample:
        """The sample after all transforms; `numbers` are `draws` uniforms in [0, 1)."""
        start = 0
        for transform in self.transforms:
            stop = start + transform.draws
            sample = transform(sample, Draws(numbers[start:stop]))
            start = stop
        return sample
