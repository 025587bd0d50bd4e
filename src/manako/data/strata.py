"""What a picture counts for where pictures are divided: its classes, and its group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from manako.data.dataset import Dataset, Item
from manako.data.names import listed
from manako.errors import DataError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget

PICTURES = -1
"""The stratum that holds every picture, where a picture may show several classes or none."""

Counts = dict[int, int]
"""Stratum -> pictures."""


def classes_shown(item: Item) -> set[int]:
    """The classes that a picture is known to show. Masks are not opened for this."""
    match item.truth:
        case ClassTarget(label):
            return {label}
        case LabelsTarget(labels):
            return set(labels)
        case BoxTargets() as boxes:
            return set(boxes.labels.tolist())
    return set()


def strata(item: Item) -> tuple[int, ...]:
    """What a picture counts for: its class, or else the classes that it shows and `PICTURES`."""
    if isinstance(item.truth, ClassTarget):
        return (item.truth.label,)
    return (*sorted(classes_shown(item)), PICTURES)


def group_key(item: Item) -> str:
    """What stays together: the group, or the picture alone. The mark keeps the two apart."""
    return f"picture {item.image}" if item.group is None else f"group {item.group}"


def grouped_counts(items: Iterable[Item]) -> list[tuple[str, Counts]]:
    """The groups in the order of their keys, with how much of each stratum is in them."""
    groups: dict[str, Counts] = defaultdict(dict)
    for item in items:
        add(groups[group_key(item)], dict.fromkeys(strata(item), 1))
    # Sorted within, too: the last bits of a sum of fractions depend on its order.
    return [(name, dict(sorted(groups[name].items()))) for name in sorted(groups)]


def add(counts: Counts, others: Counts, sign: int = 1) -> None:
    """Add `others` to `counts`, or take them away; many times faster than a `Counter` does it."""
    for label, count in others.items():
        counts[label] = counts.get(label, 0) + sign * count


def pictures_showing(items: Iterable[Item]) -> Counter[int]:
    """Class -> how many pictures show it."""
    return Counter(label for item in items for label in classes_shown(item))


def absences(dataset: Dataset, splits: Iterable[str]) -> list[str]:
    """A note for each of `splits` that lacks classes (of masks nothing is known)."""
    if dataset.task == "segmentation":
        return []
    notes = []
    for split in splits:
        shown = pictures_showing(dataset.splits[split])
        absent = [name for label, name in enumerate(dataset.classes) if label not in shown]
        if absent:
            notes.append(f"{split} holds nothing of {listed(absent)}")
    return notes


def check_groups_apart(splits: Mapping[str, Sequence[Item]]) -> None:
    """Errors: DataError listing the groups that lie in more than one split."""
    places: dict[str, set[str]] = defaultdict(set)
    for split, items in splits.items():
        for item in items:
            if item.group is not None:
                places[item.group].add(split)
    torn = sorted(group for group, found in places.items() if len(found) > 1)
    if not torn:
        return
    first = " and ".join(sorted(places[torn[0]]))
    more = f"; in all {len(torn):,} groups are torn: {listed(torn)}" if len(torn) > 1 else ""
    raise DataError(
        f"the group {torn[0]!r} is in {first}{more}",
        expected="each group in one split only, or scores are of what was learned",
        fix="move the pictures of a group into one split, or leave the division to manako",
    )
