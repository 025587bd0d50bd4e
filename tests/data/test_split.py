"""Holding pictures out: by names and seed alone, in the shares of classes, groups whole."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.data.dataset import Dataset, Item, MaskFile
from manako.data.files import FolderTree
from manako.data.folds import with_fold
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.data.strata import pictures_showing
from manako.errors import DataError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget

FILES = FolderTree(Path("set"), {}, (), ())


def dataset_of(counts: list[int], split: str = "train", groups: int = 0) -> Dataset:
    items = [
        Item(f"{label}/{n}.jpg", ClassTarget(label), f"g{n % groups}" if groups else None)
        for label, count in enumerate(counts)
        for n in range(count)
    ]
    classes = tuple(f"class {label}" for label in range(len(counts)))
    return Dataset("classification", classes, {split: tuple(items)}, FILES, "x", ("first",))


def per_class(items: tuple[Item, ...]) -> Counter[int]:
    return Counter(item.truth.label for item in items)


def test_a_tenth_of_train_is_held_out_of_each_class():
    dataset = dataset_of([100, 50, 25, 10])
    dataset = replace(dataset, splits={**dataset.splits, "test": (Item("t.jpg", None),)})

    result = with_validation(dataset, Selection(3))

    assert per_class(result.splits["val"]) == {0: 10, 1: 5, 2: 3, 3: 1}
    assert sorted(result.splits) == ["test", "train", "val"]
    assert result.splits["test"] == dataset.splits["test"]
    parts = (*result.splits["train"], *result.splits["val"])
    assert sorted(item.image for item in parts) == sorted(i.image for i in dataset.splits["train"])
    assert result.notes == (
        "first",
        "no validation split: 19 of 185 training pictures are held out for it, seed 3",
    )


def test_a_set_without_splits_is_divided_80_10_10():
    result = with_validation(dataset_of([100, 50, 40], "all"), Selection(0))

    assert [per_class(result.splits[name]) for name in ("train", "val", "test")] == [
        {0: 80, 1: 40, 2: 32},
        {0: 10, 1: 5, 2: 4},
        {0: 10, 1: 5, 2: 4},
    ]
    assert list(result.splits) == ["train", "val", "test"]
    assert result.notes[1] == (
        "no splits: divided by the seed 0 into train 152 · val 19 · test 19 pictures"
    )


def test_a_validation_split_of_its_own_is_left_as_it_is():
    dataset = dataset_of([5, 5])
    dataset = replace(dataset, splits={**dataset.splits, "val": (Item("v.jpg", None),)})

    assert with_validation(dataset, Selection(0)) is dataset


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5).filter(lambda counts: max(counts) > 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["train", "all"]),
)
def test_no_picture_is_lost_and_every_class_stays_in_train(counts, seed, split):
    dataset = dataset_of(counts, split)

    result = with_validation(dataset, Selection(seed))

    images = [item.image for items in result.splits.values() for item in items]
    assert sorted(images) == sorted(item.image for item in dataset.splits[split])
    assert per_class(result.splits["train"]).keys() == set(range(len(counts)))
    for label, count in enumerate(counts):
        expected = 0 if count == 1 else max(1, math.floor(count / 10 + 0.5))
        assert per_class(result.splits["val"])[label] == expected


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_files(seed, shuffler: random.Random):
    dataset = dataset_of([12, 7], "all", groups=5)
    items = list(dataset.splits["all"])
    shuffler.shuffle(items)

    result = with_validation(dataset, Selection(seed))
    other = with_validation(replace(dataset, splits={"all": tuple(items)}), Selection(seed))

    for name in result.splits:
        assert set(result.splits[name]) == set(other.splits[name])
    order = {item: place for place, item in enumerate(items)}
    places = [order[item] for item in other.splits["train"]]
    assert places == sorted(places)


def test_another_seed_holds_out_others():
    dataset = dataset_of([50, 50])

    held = {with_validation(dataset, Selection(seed)).splits["val"] for seed in range(5)}

    assert len(held) == 5


def test_every_picture_has_the_same_chance_of_being_held_out():
    dataset = dataset_of([20])

    counts = Counter(
        item.image
        for seed in range(600)
        for item in with_validation(dataset, Selection(seed)).splits["val"]
    )

    # 600 draws with probability 1/10: mean 60, standard deviation 7.3.
    assert len(counts) == 20
    assert all(abs(count - 60) < 5 * 7.3 for count in counts.values())


@given(st.integers(2, 12), st.integers(0, 100))
def test_groups_stay_together_and_leave_something_to_train_with(groups, seed):
    result = with_validation(dataset_of([60], "all", groups), Selection(seed))

    owners = [{item.group for item in items} for items in result.splits.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)) == groups
    assert len(result.splits["val"]) >= 1
    if groups > 2:
        assert "test" in result.splits


def test_of_groups_that_are_all_too_large_the_smallest_is_held_out():
    items = [
        Item(f"{g}/{n}.jpg", ClassTarget(0), g)
        for g in "abc"
        for n in range({"a": 9, "b": 4, "c": 9}[g])
    ]
    dataset = replace(dataset_of([1]), splits={"train": tuple(items)})

    result = with_validation(dataset, Selection(0))

    assert {item.group for item in result.splits["val"]} == {"b"}


def test_a_group_named_like_a_picture_is_not_that_picture():
    items = (
        Item("a", ClassTarget(0)),
        Item("b", ClassTarget(0), "a"),
        Item("c", ClassTarget(0), "a"),
    )
    dataset = replace(dataset_of([1]), splits={"train": items})

    result = with_validation(dataset, Selection(0))

    assert [item.image for item in result.splits["val"]] == ["a"]


def test_boxes_are_held_out_as_pictures():
    truth = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    items = tuple(Item(f"{n}.jpg", truth) for n in range(30))
    dataset = replace(dataset_of([1]), task="detection", splits={"train": items})

    result = with_validation(dataset, Selection(0))

    assert [len(result.splits[name]) for name in ("train", "val")] == [27, 3]


def test_what_is_too_little_is_said():
    single = with_validation(dataset_of([20, 1, 1]), Selection(0))
    tiny = with_validation(dataset_of([2, 2], "all"), Selection(0))

    assert single.notes[2] == (
        "a single picture, which stays in train, is all there is of class 1, class 2"
    )
    assert {name: len(items) for name, items in tiny.splits.items()} == {"train": 2, "val": 2}
    assert tiny.notes[1].endswith("train 2 · val 2 pictures; too few pictures for a test split")


def test_a_single_picture_is_noted_where_the_set_has_a_validation_split_too():
    dataset = dataset_of([5, 1])
    dataset = replace(dataset, splits={**dataset.splits, "val": (Item("v.jpg", ClassTarget(0)),)})

    result = with_validation(dataset, Selection())

    assert result.splits == dataset.splits
    assert result.notes == ("first", "train holds a single picture of class 1")


def boxes(labels: Iterable[int]) -> BoxTargets:
    labels = torch.tensor(sorted(labels), dtype=torch.int64)
    return BoxTargets(torch.zeros(len(labels), 4), labels)


def labelled(labels: Iterable[int]) -> LabelsTarget:
    return LabelsTarget(tuple(sorted(labels)))


TRUTHS = {
    "classification": lambda labels: ClassTarget(min(labels, default=0)),
    "multilabel": labelled,
    "detection": boxes,
    "segmentation": lambda labels: MaskFile("m.png"),
}


@pytest.mark.parametrize("task", TRUTHS)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sets(st.integers(0, 3))), min_size=8, max_size=40
    ),
    st.integers(0, 100),
)
def test_groups_stay_together_for_every_task(task, pictures, seed):
    items = tuple(
        Item(f"{group}_{n}.jpg", TRUTHS[task](labels)) for n, (group, labels) in enumerate(pictures)
    )
    dataset = Dataset(task, tuple("wxyz"), {"all": items}, FILES, "x")
    try:
        result = with_validation(dataset, Selection(seed, "(.)_"))
    except DataError:
        # Only where each group is all there is of its classes, or there is one group.
        assert task == "classification" or len({group for group, _ in pictures}) == 1
        return

    owners = [{item.group for item in found} for found in result.splits.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)) == len({g for g, _ in pictures})
    assert sum(map(len, result.splits.values())) == len(items)
    assert all(len(found) for found in result.splits.values())


@pytest.mark.parametrize("truth", [labelled, boxes])
def test_each_class_that_pictures_show_gives_its_tenth(truth):
    items = tuple(
        Item(
            f"{n}.jpg",
            truth([label for label, every in enumerate([1, 2, 5, 20]) if n % every == 0]),
        )
        for n in range(200)
    )
    dataset = replace(dataset_of([1] * 4), task="multilabel", splits={"all": items})

    for seed in range(10):
        result = with_validation(dataset, Selection(seed))

        for split in ("val", "test"):
            shown = pictures_showing(result.splits[split])
            assert shown[3] == 1  # of 10
            assert 3 <= shown[2] <= 5  # of 40
            assert 8 <= shown[1] <= 12  # of 100
            assert 18 <= shown[0] == len(result.splits[split]) <= 22  # of 200


@pytest.mark.parametrize("truth", [labelled, boxes])
def test_the_only_picture_of_a_class_stays_in_train_whatever_else_it_shows(truth):
    items = tuple(Item(f"{n}.jpg", truth([0, 1] if n == 7 else [0])) for n in range(20))
    dataset = replace(dataset_of([1, 1]), task="multilabel", splits={"train": items})

    for seed in range(30):
        result = with_validation(dataset, Selection(seed))

        assert items[7] in result.splits["train"]
        assert "all there is of class 1" in result.notes[-1]


@pytest.mark.parametrize("truth", [labelled, boxes])
def test_pictures_that_all_show_something_of_their_own_are_divided_by_number(truth):
    items = tuple(Item(f"{n}.jpg", truth([n])) for n in range(20))
    dataset = replace(dataset_of([1] * 20), task="multilabel", splits={"all": items})

    result = with_validation(dataset, Selection())

    assert {name: len(found) for name, found in result.splits.items()} == {
        "train": 16,
        "val": 2,
        "test": 2,
    }


def test_what_a_new_split_lacks_because_of_groups_is_noted():
    items = tuple(
        Item(f"{group}{n}.jpg", ClassTarget(label), group)
        for label, groups in enumerate(["abcdefghij", "k"])
        for group in groups
        for n in range(4)
    )
    dataset = replace(dataset_of([1, 1]), splits={"all": items})

    result = with_validation(dataset, Selection())

    assert result.notes[-2:] == (
        "val holds nothing of class 1",
        "test holds nothing of class 1",
    )


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_fold_takes_the_place_of_the_tenth(part):
    dataset = dataset_of([9, 9], "all")

    assert with_validation(dataset, Selection(4, fold=(part, 3))) == with_fold(dataset, part, 3, 4)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (dataset_of([1]), "set has a single picture to train with, too few to hold any out"),
        (dataset_of([1, 1, 1]), "set has 3 pictures to train with, too few"),
        (dataset_of([8, 8], groups=1), "set has 16 pictures in 1 group to train with, too few"),
        (dataset_of([8, 8], "test"), "set has no pictures to train with, only test"),
    ],
)
def test_what_cannot_be_split_is_refused(dataset, message):
    with pytest.raises(DataError, match=message):
        with_validation(dataset, Selection(0))
