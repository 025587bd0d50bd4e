"""From whatever truth a batch carries to the one kind that a loss or metric needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from manako.errors import DataError, ShapeError, UsageError
from manako.structures import Target

Kind = TypeVar("Kind", bound=Target)


def expect_truths(targets: Sequence[Target | None], kind: type[Kind], count: int) -> list[Kind]:
    """The same targets, known to be `count` of one `kind`.

    Raises:
        ShapeError: not one target for each picture.
        DataError: a picture without truth (None).
        UsageError: a target of another kind.

    >>> from manako.structures import ClassTarget
    >>> expect_truths([ClassTarget(3), None], ClassTarget, 2)
    Traceback (most recent call last):
    manako.errors.DataError: picture 2 of 2 has no truth
      expected: a ClassTarget for each picture
      fix     : label it, or leave it out
    """
    if len(targets) != count:
        raise ShapeError(f"{count} pictures came with {len(targets)} targets")
    truths: list[Kind] = []
    for position, target in enumerate(targets, start=1):
        if target is None:
            raise DataError(
                f"picture {position} of {count} has no truth",
                expected=f"a {kind.__name__} for each picture",
                fix="label it, or leave it out",
            )
        if not isinstance(target, kind):
            raise UsageError(
                f"picture {position} of {count} has a {type(target).__name__}",
                expected=f"a {kind.__name__} for each picture",
            )
        truths.append(target)
    return truths
