"""Which pictures of a data set take part, and how they are divided: what must be repeated to
score a recognizer on the pictures that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """How the pictures of a data set are chosen and split.

    `seed` divides what comes undivided; `group_by` is a regular expression whose first group, found
    in a picture's path, names what must stay together; `fold` (part, parts), counted from 1, takes
    one part for validation and the others for training; `excluded` are paths to leave out.
    """

    seed: int = 0
    group_by: str | None = None
    fold: tuple[int, int] | None = None
    excluded: frozenset[str] = frozenset()
