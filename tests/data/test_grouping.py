"""Groups found in paths by a pattern."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from manako.data.dataset import Dataset, Item
from manako.data.files import FolderTree
from manako.data.grouping import with_groups
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.errors import DataError, UsageError
from manako.structures import ClassTarget


def dataset_of(**splits: list[str]) -> Dataset:
    items = {
        split: tuple(Item(path, ClassTarget(0)) for path in paths)
        for split, paths in splits.items()
    }
    return Dataset("classification", ("a",), items, FolderTree(Path("set"), {}, (), ()), "x")


def test_the_first_group_of_the_pattern_names_the_group():
    dataset = dataset_of(train=["cat/p1_a.jpg", "dog/p1_b.jpg"], val=["dog/p22_a.jpg"])

    result = with_groups(dataset, r"p(\d+)_(.)")

    assert [item.group for item in result.splits["train"]] == ["1", "1"]
    assert [item.group for item in result.splits["val"]] == ["22"]
    assert result.notes == (r"grouped by 'p(\\d+)_(.)': 2 groups of 3 pictures",)


def test_without_a_pattern_nothing_changes():
    dataset = dataset_of(train=["a.jpg"])

    assert with_groups(dataset, None) is dataset


def test_names_are_compared_in_composed_form():
    dataset = dataset_of(train=[unicodedata.normalize("NFD", "Käfer_1.jpg"), "Käfer_2.jpg"])

    groups = {item.group for item in with_groups(dataset, "(.äfer)").splits["train"]}

    assert groups == {"Käfer"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("p(", r"group_by 'p\(' is no regular expression: missing \)"),
        ("*", "is no regular expression: nothing to repeat"),
        (
            "p[0-9]+",
            r"group_by 'p\[0-9\]\+' has no group\n  expected: a regular expression",
        ),
        ("(?:p)", "has no group"),
        ("", "has no group"),
        ("(" * 5000 + ")" * 5000, "is no regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern, message):
    with pytest.raises(UsageError, match=message):
        with_groups(dataset_of(train=["p1.jpg"]), pattern)


@pytest.mark.parametrize("pattern", [r"p(\d+)", r"p(\d+)|x"])
def test_paths_that_do_not_match_are_named(pattern):
    dataset = dataset_of(train=["p1.jpg", "x2.jpg"], test=["x3.jpg"])

    with pytest.raises(DataError, match=r"2 of 3 paths do not match group_by .*: x2\.jpg, x3\.jpg"):
        with_groups(dataset, pattern)


def test_a_group_that_is_empty_is_none():
    with pytest.raises(DataError, match=r"1 of 2 paths do not match .*: x\.jpg"):
        with_groups(dataset_of(train=["x.jpg", "1.jpg"]), r"^(\d*)")


def test_a_group_in_two_splits_is_refused_with_all_such_groups():
    dataset = dataset_of(train=["a_1", "b_1", "c_1"], val=["b_2"], test=["a_2", "b_3"])

    with pytest.raises(
        DataError,
        match=r"the group 'a' is in test and train; in all 2 groups are torn: a, b\n  expected:",
    ):
        with_validation(dataset, Selection(group_by="(.)_"))


def test_a_fold_mends_groups_that_train_and_val_share_but_not_those_of_test():
    torn = dataset_of(train=["a_1", "b_1", "c_1"], val=["b_2"], test=["d_1"])
    worse = dataset_of(train=["a_1", "b_1", "c_1"], val=["b_2"], test=["c_2"])

    mended = with_validation(torn, Selection(group_by="(.)_", fold=(1, 2)))

    assert sum("b" in {i.group for i in items} for items in mended.splits.values()) == 1
    with pytest.raises(DataError, match="the group 'c' is in test and"):
        with_validation(worse, Selection(group_by="(.)_", fold=(1, 2)))


def test_a_set_that_names_groups_takes_no_pattern():
    dataset = dataset_of(train=["a_1", "b_1"])
    grouped = replace(dataset.splits["train"][0], group="g")
    dataset = replace(dataset, splits={"train": (grouped, dataset.splits["train"][1])})

    with pytest.raises(UsageError, match="group_by cannot be used: set names groups itself"):
        with_groups(dataset, "(.)_")
