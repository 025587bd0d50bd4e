"""Which pictures of a data set take part, and how they are divided: what must be repeated to
score a recognizer on the pictures that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from manako.data.exclusion import parse_exclude_file
from manako.data.folds import parse_fold
from manako.data.grouping import group_pattern


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

    @classmethod
    def parsed(
        cls,
        seed: int | None = None,
        group_by: str | None = None,
        fold: str | None = None,
        exclude: str | Path | None = None,
    ) -> Self:
        """The selection that options ask for: `fold` such as "2/5", `exclude` a file of paths.

        Errors: UsageError for a pattern or fold that is none, DataError for a list that cannot be
        read.

        >>> Selection.parsed(3, fold="2/5")
        Selection(seed=3, group_by=None, fold=(2, 5), excluded=frozenset())
        """
        if group_by is not None:
            group_pattern(group_by)
        return cls(
            seed or 0,
            group_by,
            None if fold is None else parse_fold(fold),
            frozenset() if exclude is None else parse_exclude_file(exclude),
        )
