"""Groups of pictures that a pattern finds in their paths: a patient, a video, a day."""

from __future__ import annotations

import re
from dataclasses import replace

from manako.data.dataset import Dataset, Item
from manako.data.names import composed, listed
from manako.errors import DataError, UsageError


def group_pattern(text: str) -> re.Pattern[str]:
    """The regular expression of an option. Errors: UsageError if it is none, or has no group.

    >>> group_pattern("patient_[0-9]+")
    Traceback (most recent call last):
    manako.errors.UsageError: group_by 'patient_[0-9]+' has no group
      expected: a regular expression with parentheses around what names the group
      fix     : such as 'patient_([0-9]+)'
    """
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"group_by {text!r} is no regular expression: {error}",
            fix="write a point or bracket that is meant as such with a backslash before it",
        ) from error
    if pattern.groups == 0:
        raise UsageError(
            f"group_by {text!r} has no group",
            expected="a regular expression with parentheses around what names the group",
            fix="such as 'patient_([0-9]+)'",
        )
    return pattern


def with_groups(dataset: Dataset, group_by: str | None) -> Dataset:
    """`dataset` with the group of each picture: what `group_by` finds first in its path.

    Errors: UsageError for a pattern that cannot be used or a set that names groups itself;
    DataError for a picture whose path does not match.
    """
    if group_by is None:
        return dataset
    pattern = group_pattern(group_by)
    items = [item for split in dataset.splits.values() for item in split]
    if any(item.group is not None for item in items):
        raise UsageError(
            f"group_by cannot be used: {dataset.files.root} names groups itself",
            fix="leave group_by out, or the column group",
        )
    unmatched = [item.image for item in items if not _group(pattern, item)]
    if unmatched:
        raise DataError(
            f"{len(unmatched):,} of {len(items):,} paths do not match group_by {group_by!r}: "
            f"{listed(unmatched, 3)}",
            expected="a group for every picture",
            fix="widen the pattern, or leave these pictures out",
        )
    splits = {
        split: tuple(replace(item, group=_group(pattern, item)) for item in found)
        for split, found in dataset.splits.items()
    }
    count = len({item.group for found in splits.values() for item in found})
    note = f"grouped by {group_by!r}: {count:,} groups of {len(items):,} pictures"
    return replace(dataset, splits=splits, notes=(*dataset.notes, note))


def _group(pattern: re.Pattern[str], item: Item) -> str:
    """The name of a picture's group; empty if the pattern finds none."""
    found = pattern.search(composed(item.image))
    return (found[1] or "") if found else ""
