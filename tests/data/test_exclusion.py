"""Leaving pictures out: the list, and what becomes of the set."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.data.dataset import Dataset, Item
from manako.data.exclusion import listed_path, parse_exclude_file, without_excluded
from manako.data.files import FolderTree
from manako.data.names import composed
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget

CAT, DOG = ClassTarget(0), ClassTarget(1)
SPLITS = {
    "train": (Item("cat/1.jpg", CAT), Item("cat/2.jpg", CAT), Item("dog/3.jpg", DOG)),
    "val": (Item("cat/4.jpg", CAT), Item("dog/5.jpg", DOG)),
    "test": (Item("dog/6.jpg", DOG),),
}
SET = Dataset(
    "classification", ("cat", "dog"), SPLITS, FolderTree(Path("set"), {}, (), ()), "x", ("first",)
)


def test_a_list_holds_a_path_a_line(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(
        "\ufeff# found twice\r\ncat/1.jpg\r\n\r\n  ./dog/3 b.jpg \n./#1.jpg\n".encode()
        + unicodedata.normalize("NFD", "Käfer.jpg").encode()
    )

    assert parse_exclude_file(path) == {"cat/1.jpg", "dog/3 b.jpg", "#1.jpg", "Käfer.jpg"}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)))
def test_any_path_comes_back_from_its_line(tmp_path_factory, paths):
    list_path = tmp_path_factory.getbasetemp() / "list.txt"
    paths = [path for path in paths if not path.startswith("./")]  # no tree has such a path
    list_path.write_text("\n".join(map(listed_path, paths)), encoding="utf-8", newline="")

    assert parse_exclude_file(list_path) == {composed(path) for path in paths}


@pytest.mark.parametrize(
    "path",
    ["two\nlines.jpg", "\ttab.jpg", "\xa0blank.jpg", " a.jpg ", '"a".jpg', "#a.jpg", "\r.jpg"],
)
def test_paths_that_are_hard_to_write_in_a_line_come_back(tmp_path, path):
    (tmp_path / "list.txt").write_text(f"# why\n{listed_path(path)}\n", encoding="utf-8")

    assert parse_exclude_file(tmp_path / "list.txt") == {path}


def test_a_quoted_line_that_is_no_json_is_named(tmp_path):
    (tmp_path / "list.txt").write_text('a.jpg\n"b.jpg\n')

    with pytest.raises(
        DataError, match=r'list\.txt:2 begins with a quotation .* JSON text: "b\.jpg'
    ):
        parse_exclude_file(tmp_path / "list.txt")


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"leave out cannot be read: .*gone\.txt: No such file"):
        parse_exclude_file(tmp_path / "gone.txt")
    (tmp_path / "list.txt").write_bytes(b"a.jpg\n\xe9.jpg\n")
    with pytest.raises(DataError, match=r"list\.txt:2 is not UTF-8"):
        parse_exclude_file(tmp_path / "list.txt")


def test_what_is_listed_is_left_out_and_nothing_else_moves():
    result = without_excluded(SET, {"cat/2.jpg", "cat/4.jpg"})

    assert result.classes == SET.classes
    assert result.splits == {
        "train": (Item("cat/1.jpg", CAT), Item("dog/3.jpg", DOG)),
        "val": (Item("dog/5.jpg", DOG),),
        "test": SPLITS["test"],
    }
    assert result.notes == (
        "first",
        "left out as listed: train 1 · val 1 pictures",
        "without what is left out, val holds nothing of cat",
    )


def test_nothing_listed_changes_nothing():
    assert without_excluded(SET, frozenset()) is SET


def test_a_path_that_the_set_does_not_have_is_noted_with_a_near_one():
    result = without_excluded(SET, {"cat/11.jpg", "zebra"})

    assert result.splits == SET.splits
    assert len(result.notes) == 2
    assert result.notes[1].startswith(
        "2 of 2 paths to leave out are of no picture in the set: cat/11.jpg, zebra "
        "(cat/11.jpg: did you mean 'cat/1.jpg'"
    )


def test_a_class_of_which_all_is_left_out_is_noted_and_keeps_its_place():
    result = without_excluded(SET, {"cat/1.jpg", "cat/2.jpg"})

    assert result.classes == ("cat", "dog")
    assert result.splits["train"] == (Item("dog/3.jpg", DOG),)
    assert "without what is left out, train holds nothing of cat" in result.notes


def test_a_label_that_no_picture_shows_any_more_is_noted():
    items = (Item("1.jpg", LabelsTarget((0, 1))), Item("2.jpg", LabelsTarget((0,))))
    dataset = Dataset("multilabel", ("a", "b"), {"train": items}, SET.files, "x")

    result = without_excluded(dataset, {"1.jpg"})

    assert result.notes[-1] == "without what is left out, train holds nothing of b"


def test_an_empty_test_split_is_dropped_and_an_empty_validation_split_refused():
    assert without_excluded(SET, {"dog/6.jpg"}).notes[1] == (
        "left out as listed: test 1 pictures; nothing is left of test"
    )
    assert "test" not in without_excluded(SET, {"dog/6.jpg"}).splits
    with pytest.raises(DataError, match="all 2 pictures of val are to be left out"):
        without_excluded(SET, {"cat/4.jpg", "dog/5.jpg"})
    with pytest.raises(DataError, match="all 1 pictures of test are to be left out"):
        without_excluded(SET, {"dog/6.jpg"}, needed=("test",))


def test_accents_may_be_written_in_either_form():
    nfd = unicodedata.normalize("NFD", "Käfer.jpg")
    items = (Item(nfd, CAT), Item("b.jpg", DOG))
    dataset = Dataset("classification", ("cat", "dog"), {"train": items}, SET.files, "x")

    assert without_excluded(dataset, {"Käfer.jpg"}).splits["train"] == (Item("b.jpg", DOG),)
