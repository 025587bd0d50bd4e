"""Cross-validation: pictures in parts, each of which validates once while the others train.

A part is a pure function of the seed and the paths. Groups stay whole; for classification each
class is spread evenly, for several labels or boxes each class that a picture shows. Without groups
and with one class a picture, the parts differ by at most one picture, of each class and in all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from manako.data.dataset import Dataset, Item
from manako.data.names import WHOLE
from manako.data.randomness import permutation
from manako.data.strata import PICTURES, Counts, absences, add, group_key, grouped_counts
from manako.errors import DataError, UsageError

_STREAM = 2**32 - 3  # in place of an epoch, as in split.py
_TOLERANCE = 1e-9


def parse_fold(text: str) -> tuple[int, int]:
    """The part, counted from 1, and the number of parts. Errors: UsageError.

    >>> parse_fold("2/5")
    (2, 5)
    """
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts or parts < 2:
        raise UsageError(
            f"fold cannot be {text!r}",
            expected="a part and the number of parts, such as '2/5'",
        )
    return part, parts


def with_fold(dataset: Dataset, part: int, parts: int, seed: int) -> Dataset:
    """`dataset` with the part `part` of `parts` (from 1) as "val" and the others as "train".

    The pictures of train and val (or of a set without splits) are divided anew; test stays as it
    is. Errors: DataError where there are fewer pictures, or groups, than parts.
    """
    pool = tuple(
        item for split in (WHOLE, "train", "val") for item in dataset.splits.get(split, ())
    )
    if not pool:
        raise DataError(
            f"{dataset.files.root} has no pictures to divide, only {', '.join(dataset.splits)}",
            expected="a split named train",
        )
    groups = len({group_key(item) for item in pool})
    if groups < parts:
        what = "a single picture" if len(pool) == 1 else f"{len(pool):,} pictures"
        what += f" in {groups:,} groups" if groups < len(pool) else ""
        raise DataError(
            f"{dataset.files.root} has {what}, too few for {parts} parts",
            expected="a picture, or a group of pictures, for each part",
            fix=f"ask for at most {groups} parts" if groups > 1 else "add pictures",
        )
    place = part_of_groups(pool, parts, seed)
    train = tuple(item for item in pool if place[group_key(item)] != part)
    val = tuple(item for item in pool if place[group_key(item)] == part)
    others = {name: items for name, items in dataset.splits.items() if name == "test"}
    result = replace(dataset, splits={"train": train, "val": val, **others})
    note = (
        f"part {part} of {parts} validates: {len(val):,} pictures; the others train: "
        f"{len(train):,}; divided by the seed {seed}"
    )
    outdated = absences(dataset, [name for name in dataset.splits if name != "test"])
    notes = [note for note in dataset.notes if note not in outdated]
    return replace(result, notes=(*notes, note, *absences(result, ("train", "val"))))


def part_of_groups(items: Sequence[Item], parts: int, seed: int) -> dict[str, int]:
    """Key of each group (`strata.group_key`) -> its part, from 1.

    Large groups are placed first, each where there is least of its classes, and of pictures where
    that is equal; then groups move while that makes the parts more even.
    """
    groups = grouped_counts(items)
    order = permutation(seed, _STREAM, len(groups)).tolist()
    shuffled = [groups[index] for index in order]
    shuffled.sort(key=lambda group: (-_size(group[1]), min(group[1])))
    spread = _Spread(parts, [counts for _, counts in groups])
    places = {name: spread.place(counts) for name, counts in shuffled}
    moved = any(_size(counts) > 1 or len(counts) > 1 for _, counts in groups)
    while moved:
        moved = False
        for name, counts in shuffled:
            better = spread.move(counts, places[name])
            moved = moved or better != places[name]
            places[name] = better
    return {name: place + 1 for name, place in places.items()}


def _size(counts: Counts) -> int:
    """Pictures in a group."""
    return counts[PICTURES] if PICTURES in counts else sum(counts.values())


class _Spread:
    """How much of each class, and how many pictures, lie in each part."""

    def __init__(self, parts: int, groups: Sequence[Counts]) -> None:
        whole: Counts = {}
        for counts in groups:
            add(whole, counts)
        # So weighted, the sum of squared counts is the chi-squared statistic up to constants.
        self.weights = {label: 1 / count for label, count in whole.items()}
        self.size_weight = 1 / sum(map(_size, groups))
        self.counts: list[Counts] = [{} for _ in range(parts)]
        self.sizes = [0] * parts

    def place(self, counts: Counts) -> int:
        """Put a group where there is least of its classes; the part, from 0."""
        part = min(
            range(len(self.sizes)),
            key=lambda part: (self._class_cost(part, counts), self.sizes[part]),
        )
        self._add(part, counts, 1)
        return part

    def move(self, counts: Counts, part: int) -> int:
        """Take a group from `part` to where it makes the parts most even; it may stay."""
        self._add(part, counts, -1)
        costs = [self._cost(other, counts) for other in range(len(self.sizes))]
        best = costs.index(min(costs))
        chosen = best if costs[best] < costs[part] - _TOLERANCE else part
        self._add(chosen, counts, 1)
        return chosen

    def _add(self, part: int, counts: Counts, sign: int) -> None:
        add(self.counts[part], counts, sign)
        self.sizes[part] += sign * _size(counts)

    def _class_cost(self, part: int, counts: Counts) -> float:
        """By how much the weighted sum of squares would grow by the group's classes."""
        here = self.counts[part]
        cost = 0.0
        for label, count in counts.items():
            cost += self.weights[label] * count * (2 * here.get(label, 0) + count)
        return cost

    def _cost(self, part: int, counts: Counts) -> float:
        size = _size(counts)
        return self._class_cost(part, counts) + self.size_weight * size * (
            2 * self.sizes[part] + size
        )
