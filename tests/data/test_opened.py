"""Reading a set for training and for scoring: the same pictures on the same side, always."""

from __future__ import annotations

import pytest

from manako.data.opened import read_for_scoring, read_for_training
from manako.data.selection import Selection
from manako.errors import DataError, UnknownName

CLASSES = ("cat", "dog")


def files(count: int = 40, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}{CLASSES[n % 2]}/p{n // 4}_{n}.jpg": f"{prefix}{n}" for n in range(count)}


def names(dataset, split) -> set[str]:
    return {item.image for item in dataset.splits[split]}


SELECTIONS = [
    Selection(),
    Selection(seed=5),
    Selection(seed=5, group_by=r"p(\d+)_"),
    Selection(seed=1, fold=(2, 4)),
    Selection(seed=1, fold=(2, 4), group_by=r"p(\d+)_"),
]


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("layout", ["all", "train", "train and val", "with test"])
def test_scoring_sees_the_pictures_that_training_did_not(write, selection, layout):
    content = files() if layout == "all" else files(prefix="train/")
    if layout != "all" and layout != "train":
        content |= {f"val/{name}/v{n}_{n}.jpg": f"v{n}" for n, name in enumerate(CLASSES)}
    if layout == "with test":
        content |= {f"test/{name}/t{n}_{n}.jpg": f"t{n}" for n, name in enumerate(CLASSES)}
    if selection.group_by and layout != "all":
        selection = Selection(selection.seed, r"([a-z]\d+)_", selection.fold)
    root = write(content)

    trained = read_for_training(root, selection)
    scored, chosen = read_for_scoring(root, CLASSES, selection)
    validated, val = read_for_scoring(root, CLASSES, selection, "val")

    assert chosen == ("test" if "test" in trained.splits else "val")
    assert names(scored, chosen) == names(trained, chosen)
    assert (val, names(validated, "val")) == ("val", names(trained, "val"))
    assert not names(trained, "train") & (names(scored, chosen) | names(validated, "val"))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_leaving_pictures_out_moves_no_other(write, selection):
    root = write(files())
    whole = read_for_training(root, selection)
    excluded = {item.image for items in whole.splits.values() for item in items[:2]}

    fewer = read_for_training(
        root,
        Selection(selection.seed, selection.group_by, selection.fold, frozenset(excluded)),
    )

    for split in whole.splits:
        assert names(fewer, split) == names(whole, split) - excluded


def test_scoring_leaves_pictures_out_too_and_needs_only_its_split(write):
    root = write({**files(8, "train/"), **files(4, "test/")})
    excluded = frozenset(f"train/{CLASSES[n % 2]}/p{n // 4}_{n}.jpg" for n in range(8))

    dataset, chosen = read_for_scoring(root, CLASSES, Selection(excluded=excluded))

    assert (chosen, list(dataset.splits)) == ("test", ["test"])
    with pytest.raises(DataError, match="all 4 pictures of test are to be left out"):
        read_for_scoring(root, CLASSES, Selection(excluded=frozenset(names(dataset, "test"))))


def test_a_set_without_splits_can_be_scored_as_a_whole(write):
    root = write({"dog/1.jpg": "1", "cat/2.jpg": "2"})
    selection = Selection(group_by=r"p(\d+)_", fold=(1, 2))

    dataset, chosen = read_for_scoring(root, ("dog", "cow", "cat"), selection, "all")

    assert chosen == "all"
    assert [item.truth.label for item in dataset.splits["all"]] == [2, 0]


def test_test_pictures_are_scored_as_they_are_though_the_others_cannot_be_divided(write):
    root = write({**files(8, "train/"), **files(4, "test/")})

    dataset, chosen = read_for_scoring(
        root, CLASSES, Selection(group_by="no such (.)", fold=(1, 99))
    )

    assert (chosen, len(dataset.splits["test"])) == ("test", 4)


def test_a_set_of_validation_pictures_alone_is_scored_as_it_is(write):
    root = write(files(4, "val/"))

    dataset, chosen = read_for_scoring(root, CLASSES, Selection(fold=(1, 2)))

    assert (chosen, len(dataset.splits["val"])) == ("val", 4)


def test_a_split_that_is_not_there_is_refused_when_asked_for(write):
    with pytest.raises(UnknownName, match="no split 'tset'; did you mean 'test'"):
        read_for_scoring(write(files(8)), CLASSES, Selection(), "tset")
    with pytest.raises(UnknownName, match="no split 'half'; known: test, train, val"):
        read_for_scoring(write(files(8)), CLASSES, Selection(), "half")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation"])
def test_a_split_may_be_called_as_in_data_sets(name, write):
    root = write({**files(8, "train/"), **files(4, "valid/"), **files(4, "test/")})

    dataset, chosen = read_for_scoring(root, CLASSES, Selection(), name)

    assert (chosen, len(dataset.splits["val"])) == ("val", 4)


def test_what_was_found_is_said(write, capsys):
    read_for_training(write(files(20)), Selection(excluded=frozenset({"cat/p0_0.jpg"})))

    said = capsys.readouterr()
    assert "classification: class folders, 2 classes, train 15 · val 2 · test 2" in (
        said.out + said.err
    )
    assert "note: left out as listed" in said.out + said.err
