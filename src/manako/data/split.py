"""Which pictures are for learning, for choosing and for the final score, where nobody has said.

The choice depends on the paths of the pictures and the seed alone, not on the order in which a
disk or an archive lists them. Classes keep their shares, and pictures of one group stay together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from manako.data.dataset import Dataset, Item
from manako.data.names import WHOLE, listed
from manako.data.randomness import permutation
from manako.errors import DataError
from manako.structures import ClassTarget

SHARE = 0.1
"""The part of the pictures that is held out for choosing, and for the final score."""
_VAL, _TEST = 2**32 - 1, 2**32 - 2  # in place of an epoch; real epochs count from 0


def with_validation(dataset: Dataset, seed: int) -> Dataset:
    """`dataset` with a split "val": its own, or a tenth of "train" held out.

    A set without splits is divided into train, val and test, 80:10:10. For classification each
    class gives its tenth, at least one picture, but keeps at least one in train. Errors: DataError
    where there is nothing to train with or too little to hold any out.
    """
    splits = dict(dataset.splits)
    if "val" in splits and "train" in splits:
        return dataset
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
    notes = [_split_note(dataset, splits, seed), *_single_notes(whole, dataset.classes)]
    return replace(dataset, splits=splits, notes=(*dataset.notes, *notes))


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
    """`items` in two parts, kept and held out, each in the order of `items`.

    Groups come up in random order; one is held out if that brings the classes nearer to their
    shares and leaves some of each class behind. If no group fits, the one that fits least badly is
    taken; none is if each would take the last pictures of a class.
    """
    groups = _groups(items)
    order = permutation(seed, stream, len(groups)).tolist()
    left = Counter(_class(item) for item in items)
    wanted = Counter({label: _wanted(count, share) for label, count in left.items()})
    held: set[str] = set()
    best: tuple[int, str] | None = None
    for name, counts in (groups[index] for index in order):
        if any(left[label] <= count for label, count in counts.items()):
            continue
        gain = sum(
            abs(wanted[label]) - abs(wanted[label] - count) for label, count in counts.items()
        )
        if gain > 0:
            held.add(name)
            left.subtract(counts)
            wanted.subtract(counts)
        elif best is None or gain > best[0]:
            best = gain, name
    if not held and best is not None:
        held = {best[1]}
    return (
        tuple(item for item in items if _group(item) not in held),
        tuple(item for item in items if _group(item) in held),
    )


def _wanted(count: int, share: float) -> int:
    """How many of `count` pictures to hold out: half a picture is rounded up, one is the least."""
    return 0 if count < 2 else max(1, int(count * share + 0.5))


def _groups(items: Sequence[Item]) -> list[tuple[str, Counter[int]]]:
    """The groups by name, with the pictures of each class in them."""
    groups: dict[str, Counter[int]] = defaultdict(Counter)
    for item in items:
        groups[_group(item)][_class(item)] += 1
    return sorted(groups.items())


def _group(item: Item) -> str:
    """What stays together: the group, or the picture alone. The mark keeps the two apart."""
    return f"picture {item.image}" if item.group is None else f"group {item.group}"


def _class(item: Item) -> int:
    """The class whose share is kept; boxes and masks have no single one."""
    return item.truth.label if isinstance(item.truth, ClassTarget) else 0


def _too_few(items: Sequence[Item], dataset: Dataset) -> DataError:
    what = "a single picture" if len(items) == 1 else f"{len(items):,} pictures"
    groups = len(_groups(items))
    if groups < len(items):
        what += f" in {groups:,} group" + ("s" if groups > 1 else "")
    return DataError(
        f"{dataset.files.root} has {what} to train with, too few to hold any out for validation",
        expected="two pictures of a class, and two groups if there are groups",
        fix="add pictures, or a folder val with some of their own",
    )


def _single_notes(items: Sequence[Item], classes: Sequence[str]) -> list[str]:
    counts = Counter(item.truth.label for item in items if isinstance(item.truth, ClassTarget))
    single = [classes[label] for label, count in sorted(counts.items()) if count == 1]
    if not single:
        return []
    return [f"a single picture, which stays in train, is all there is of {listed(single)}"]
