"""A few of many, taken all along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Indexed(Protocol[T_co]):
    """A sequence, or a source that makes what it gives."""

    def __len__(self) -> int:
        """How many items there are."""

    def __getitem__(self, index: int, /) -> T_co:
        """The item at a place."""


def evenly_spaced(items: Indexed[T_co], most: int) -> Iterator[T_co]:
    """At most `most` of the items, the first among them, one after the other.

    >>> list(evenly_spaced("abcdefgh", 3))
    ['a', 'c', 'f']
    """
    count = min(len(items), most)
    return (items[number * len(items) // count] for number in range(count))
