"""Cross-validation: every picture validates once, groups whole, classes spread evenly."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.data.dataset import Dataset, Item, MaskFile
from manako.data.files import FolderTree
from manako.data.folds import parse_fold, part_of_groups, with_fold
from manako.data.strata import PICTURES, group_key, strata
from manako.errors import DataError, UsageError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget

FILES = FolderTree(Path("set"), {}, (), ())
SEEDS = st.integers(0, 2**64 - 1)


def boxes(labels: list[int]) -> BoxTargets:
    return BoxTargets(torch.zeros(len(labels), 4), torch.tensor(labels, dtype=torch.int64))


TRUTHS = {
    "classification": st.integers(0, 3).map(ClassTarget),
    "multilabel": st.sets(st.integers(0, 3)).map(lambda one: LabelsTarget(tuple(sorted(one)))),
    "detection": st.lists(st.integers(0, 3), max_size=3).map(boxes),
    "segmentation": st.just(MaskFile("m.png")),
}


@st.composite
def datasets(draw, tasks=tuple(TRUTHS), grouped=None) -> Dataset:
    task = draw(st.sampled_from(tasks))
    count = draw(st.integers(6, 30))
    groups = st.sampled_from("abcdefgh") if draw(st.booleans()) or grouped else st.none()
    groups = st.none() if grouped is False else groups
    items = [Item(f"{n}.jpg", draw(TRUTHS[task]), draw(groups)) for n in range(count)]
    return Dataset(task, ("w", "x", "y", "z"), {"all": tuple(items)}, FILES, "x", ("first",))


def groups_in(dataset: Dataset) -> int:
    return len({group_key(item) for item in dataset.splits["all"]})


@given(datasets(), st.integers(2, 5), SEEDS)
def test_every_picture_validates_once_and_trains_otherwise(dataset, parts, seed):
    parts = min(parts, groups_in(dataset))
    if parts < 2:
        return
    folds = [with_fold(dataset, part, parts, seed) for part in range(1, parts + 1)]

    everything = set(map(id, dataset.splits["all"]))
    validating = [id(item) for fold in folds for item in fold.splits["val"]]
    assert len(validating) == len(everything)
    assert set(validating) == everything
    for fold in folds:
        train, val = (set(map(id, fold.splits[name])) for name in ("train", "val"))
        assert train == everything - val
        assert train
        assert val


@given(datasets(grouped=True), st.integers(2, 5), SEEDS)
def test_no_group_is_on_two_sides(dataset, parts, seed):
    parts = min(parts, groups_in(dataset))
    if parts < 2:
        return
    for part in range(1, parts + 1):
        fold = with_fold(dataset, part, parts, seed)

        train, val = ({group_key(i) for i in fold.splits[name]} for name in ("train", "val"))
        assert not train & val


@given(datasets(("classification",), grouped=False), st.integers(2, 6), SEEDS)
def test_without_groups_parts_differ_by_one_picture_of_each_class_and_in_all(dataset, parts, seed):
    vals = [with_fold(dataset, p, parts, seed).splits["val"] for p in range(1, parts + 1)]

    sizes = [len(val) for val in vals]
    assert max(sizes) - min(sizes) <= 1
    for label in range(4):
        counts = [sum(item.truth.label == label for item in val) for val in vals]
        assert max(counts) - min(counts) <= 1


@given(datasets(("segmentation",), grouped=True), st.integers(2, 5), SEEDS)
def test_with_groups_parts_differ_by_at_most_one_group(dataset, parts, seed):
    parts = min(parts, groups_in(dataset))
    if parts < 2:
        return
    vals = [with_fold(dataset, p, parts, seed).splits["val"] for p in range(1, parts + 1)]

    largest = max(Counter(group_key(item) for item in dataset.splits["all"]).values())
    sizes = [len(val) for val in vals]
    assert max(sizes) - min(sizes) <= largest


def unevenness(dataset: Dataset, place: dict[str, int], parts: int) -> float:
    """The sum over classes, and over pictures, of Pearson's chi-squared statistic of the parts."""
    items = dataset.splits["all"]
    total = 0.0
    for stratum in {one for item in items for one in (*strata(item), PICTURES)}:
        members = [i for i in items if stratum == PICTURES or stratum in strata(i)]
        counts = Counter(place[group_key(item)] for item in members)
        mean = len(members) / parts
        weight = 2 if stratum == PICTURES and dataset.task != "classification" else 1
        total += weight * sum((counts[p] - mean) ** 2 / mean for p in range(1, parts + 1))
    return total


@settings(max_examples=40)
@given(datasets(), st.integers(2, 4), SEEDS)
def test_no_group_could_move_to_make_the_parts_more_even(dataset, parts, seed):
    parts = min(parts, groups_in(dataset))
    if parts < 2:
        return

    place = part_of_groups(dataset.splits["all"], parts, seed)

    best = unevenness(dataset, place, parts)
    for key in place:
        for part in range(1, parts + 1):
            assert unevenness(dataset, {**place, key: part}, parts) >= best - 1e-6


@given(datasets(), SEEDS, st.randoms(use_true_random=False))
def test_the_parts_do_not_depend_on_the_order_of_the_files(dataset, seed, shuffler: random.Random):
    items = list(dataset.splits["all"])
    shuffler.shuffle(items)

    assert part_of_groups(items, 2, seed) == part_of_groups(dataset.splits["all"], 2, seed)


def numbered(count: int, classes: int = 2) -> tuple[Item, ...]:
    return tuple(Item(f"{n:03}.jpg", ClassTarget(n % classes)) for n in range(count))


def plain(splits: dict[str, tuple[Item, ...]]) -> Dataset:
    return Dataset("classification", ("w", "x"), splits, FILES, "x", ("first",))


def test_another_seed_gives_other_parts_and_all_parts_have_one_size():
    dataset = plain({"all": numbered(60)})

    vals = {with_fold(dataset, 2, 5, seed).splits["val"] for seed in range(5)}

    assert len(vals) == 5
    assert {len(val) for val in vals} == {12}


def test_train_and_val_are_divided_anew_and_test_stays():
    items = numbered(40)
    dataset = plain({"train": items[:20], "val": items[20:30], "test": items[30:]})

    result = with_fold(dataset, 1, 3, 0)

    assert result.splits["test"] == items[30:]
    assert sorted(i.image for i in (*result.splits["train"], *result.splits["val"])) == [
        item.image for item in items[:30]
    ]
    assert result.notes == (
        "first",
        "part 1 of 3 validates: 10 pictures; the others train: 20; divided by the seed 0",
    )


def test_a_class_that_a_part_lacks_is_noted_and_what_was_said_of_old_splits_is_not():
    items = (*numbered(9, 1), Item("rare.jpg", ClassTarget(1)))
    dataset = plain({"train": items[5:], "val": items[:5]})
    dataset = replace(dataset, notes=("first", "val holds nothing of x"))

    results = [with_fold(dataset, part, 2, 0) for part in (1, 2)]

    assert sorted(result.notes[-1] for result in results) == [
        "train holds nothing of x",
        "val holds nothing of x",
    ]
    assert all(len(result.notes) == 3 for result in results)


@pytest.mark.parametrize(
    ("items", "parts", "message"),
    [
        (
            numbered(3),
            5,
            r"set has 3 pictures, too few for 5 parts\n.*\n  fix     : ask for at most 3",
        ),
        (
            numbered(1),
            2,
            r"set has a single picture, too few for 2 parts\n.*\n  fix     : add pictures",
        ),
        (
            tuple(replace(item, group=f"g{n % 2}") for n, item in enumerate(numbered(9))),
            3,
            "set has 9 pictures in 2 groups, too few for 3 parts",
        ),
    ],
)
def test_too_few_pictures_or_groups_are_refused(items, parts, message):
    with pytest.raises(DataError, match=message):
        with_fold(plain({"train": items}), 1, parts, 0)


def test_a_set_of_test_pictures_alone_is_refused():
    with pytest.raises(DataError, match="set has no pictures to divide, only test"):
        with_fold(plain({"test": numbered(9)}), 1, 2, 0)


def test_a_fold_is_a_part_and_a_number_of_parts():
    assert (parse_fold("1/2"), parse_fold(" 10 / 10 ")) == ((1, 2), (10, 10))


@pytest.mark.parametrize(
    "text", ["", "2", "0/5", "6/5", "1/1", "-1/5", "1/5/2", "a/b", "1.0/5", "²/5", "1/9999999"]
)
def test_another_text_is_no_fold(text):
    with pytest.raises(UsageError, match=r"fold cannot be '.*'\n  expected: a part and the number"):
        parse_fold(text)
