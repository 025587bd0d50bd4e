"""Which pictures are for learning, for choosing and for the final score, where nobody has said.

The choice depends on the paths of the pictures and the seed alone, not on the order in which a
disk or an archive lists them. Classes keep their shares, and pictures of one group stay together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from manako.data.dataset import Dataset, Item
from manako.data.folds import with_fold
from manako.data.grouping import with_groups
from manako.data.names import WHOLE, listed
from manako.data.randomness import permutation
from manako.data.selection import Selection
from manako.data.strata import (
    PICTURES,
    Counts,
    absences,
    add,
    check_groups_apart,
    group_key,
    grouped_counts,
    pictures_showing,
)
from manako.errors import DataError
from manako.structures import ClassTarget

SHARE = 0.1
"""The part of the pictures that is held out for choosing, and for the final score."""
_VAL, _TEST = 2**32 - 1, 2**32 - 2  # in place of an epoch; real epochs count from 0
_TOLERANCE = 1e-9


def with_validation(dataset: Dataset, selection: Selection) -> Dataset:
    """`dataset` grouped as asked, with a split "val": a fold, its own, or a tenth of "train".

    A set without splits is divided into train, val and test, 80:10:10, or into the parts of a
    fold. Each class gives its tenth, at least one picture, but keeps at least one in train.
    Pictures to exclude are still there (`exclusion.without_excluded` takes them out), so that
    leaving some out moves no other. Errors: DataError where there is nothing to train with or too
    little to hold any out, where a group is in two splits that came so, and those of
    `grouping.with_groups`.
    """
    divided = _divided(with_groups(dataset, selection.group_by), selection)
    check_groups_apart(divided.splits)
    return divided


def _divided(dataset: Dataset, selection: Selection) -> Dataset:
    if selection.fold is not None:
        return with_fold(dataset, *selection.fold, selection.seed)
    if "val" in dataset.splits and "train" in dataset.splits:
        single = _single(dataset.splits["train"], dataset.classes)
        note = (f"train holds a single picture of {listed(single)}",) if single else ()
        return replace(dataset, notes=(*dataset.notes, *note)) if note else dataset
    return _held_out(dataset, selection.seed)


def _held_out(dataset: Dataset, seed: int) -> Dataset:
    splits = dict(dataset.splits)
    if WHOLE not in splits and "train" not in splits:
        raise DataError(
            f"{dataset.files.root} has no pictures to train with, only {', '.join(splits)}",
            expected="a split named train",
        )
    whole = splits.pop(WHOLE if WHOLE in splits else "train")
    train, splits["val"] = _hold_out(whole, SHARE, seed, _VAL)
    if not splits["val"]:
        raise _too_few(whole, dataset)
    if WHOLE in dataset.splits:
        train, splits["test"] = _hold_out(train, SHARE / (1 - SHARE), seed, _TEST)
    splits = {"train": train, **{name: items for name, items in splits.items() if items}}
    divided = replace(dataset, splits=splits)
    single = _single(whole, dataset.classes)
    notes = [_split_note(dataset, splits, seed)]
    if single:
        notes.append(f"a single picture, which stays in train, is all there is of {listed(single)}")
    else:
        notes += absences(divided, [name for name in splits if name not in dataset.splits])
    return replace(divided, notes=(*dataset.notes, *notes))


def _split_note(dataset: Dataset, splits: Mapping[str, Sequence[Item]], seed: int) -> str:
    if WHOLE not in dataset.splits:
        return (
            f"no validation split: {len(splits['val']):,} of "
            f"{len(dataset.splits['train']):,} training pictures are held out for it, seed {seed}"
        )
    counts = " · ".join(f"{name} {len(items):,}" for name, items in splits.items())
    short = "" if "test" in splits else "; too few pictures for a test split"
    return f"no splits: divided by the seed {seed} into {counts} pictures{short}"


def _hold_out(
    items: Sequence[Item], share: float, seed: int, stream: int
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """`items` in two parts, kept and held out, each in the order of `items`."""
    groups = grouped_counts(items)
    order = permutation(seed, stream, len(groups)).tolist()
    shuffled = [groups[index] for index in order]
    held = _chosen(shuffled, share)
    if not held and not any(isinstance(item.truth, ClassTarget) for item in items):
        # Every picture is the last of some class that it shows: only their number counts then.
        held = _chosen([(name, {PICTURES: c[PICTURES]}) for name, c in shuffled], share)
    return (
        tuple(item for item in items if group_key(item) not in held),
        tuple(item for item in items if group_key(item) in held),
    )


def _chosen(groups: Sequence[tuple[str, Counts]], share: float) -> set[str]:
    """The groups to hold out, of groups in random order.

    Those with the rarest classes come up first, for they are the hardest to place (Sechidis et
    al., "On the stratification of multi-label data", ECML PKDD 2011). One is held out if that
    brings the classes, relative to their sizes, nearer to their shares and leaves some of each
    class behind. If no group fits, the one that fits least badly is taken; none is if each would
    take the last of a class.
    """
    whole: Counts = {}
    for _, counts in groups:
        add(whole, counts)
    left = dict(whole)
    wanted = {label: _wanted(count, share) for label, count in whole.items()}
    held: set[str] = set()
    best: tuple[float, str] | None = None
    for name, counts in sorted(groups, key=lambda group: min(whole[one] for one in group[1])):
        if any(left[label] <= count for label, count in counts.items()):
            continue
        gain = sum(
            (abs(wanted[label]) - abs(wanted[label] - count)) / whole[label]
            for label, count in counts.items()
        )
        if gain > _TOLERANCE:
            held.add(name)
            add(left, counts, -1)
            add(wanted, counts, -1)
        elif best is None or gain > best[0]:
            best = gain, name
    if not held and best is not None:
        held = {best[1]}
    return held


def _wanted(count: int, share: float) -> int:
    """How many of `count` pictures to hold out: half a picture is rounded up, one is the least."""
    return 0 if count < 2 else max(1, int(count * share + 0.5))


def _single(items: Sequence[Item], classes: Sequence[str]) -> list[str]:
    """The classes that one picture alone shows."""
    counts = pictures_showing(items)
    return [classes[label] for label, count in sorted(counts.items()) if count == 1]


def _too_few(items: Sequence[Item], dataset: Dataset) -> DataError:
    what = "a single picture" if len(items) == 1 else f"{len(items):,} pictures"
    groups = len({group_key(item) for item in items})
    if groups < len(items):
        what += f" in {groups:,} group" + ("s" if groups > 1 else "")
    return DataError(
        f"{dataset.files.root} has {what} to train with, too few to hold any out for validation",
        expected="two pictures of a class, and two groups if there are groups",
        fix="add pictures, or a folder val with some of their own",
    )
