"""Lists at the top and metadata in the folders of splits: which is meant, what it leaves out."""

from __future__ import annotations

import json

import pytest

from manako.data import text
from manako.data.dataset import Item
from manako.data.formats import read_dataset
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget

CAT, DOG = ClassTarget(0), ClassTarget(1)


def metadata(kind: str, *rows: tuple[str, str]) -> str:
    if kind == "csv":
        return "file_name,label\n" + "".join(f"{path},{label}\n" for path, label in rows)
    return "".join(json.dumps({"file_name": path, "label": label}) + "\n" for path, label in rows)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("packed", ["folder", "tar.gz"])
@pytest.mark.parametrize("validation", ["val", "validation"])
def test_an_image_folder_has_its_metadata_in_each_split(write, kind, packed, validation):
    files = {
        "train/1.jpg": "1",
        "train/deep/2.jpg": "2",
        f"{validation}/1.jpg": "3",
        "test/1.jpg": "4",
        f"train/metadata.{kind}": metadata(kind, ("1.jpg", "dog"), ("deep/2.jpg", "cat")),
        f"{validation}/metadata.{kind}": metadata(kind, ("1.jpg", "dog")),
        f"test/metadata.{kind}": metadata(kind, ("1.jpg", "cat")),
    }

    dataset = read_dataset(write(files, packed))

    assert (dataset.format, dataset.classes) == ("image folder", ("cat", "dog"))
    assert dataset.splits == {
        "train": (Item("train/1.jpg", DOG), Item("train/deep/2.jpg", CAT)),
        "val": (Item(f"{validation}/1.jpg", DOG),),
        "test": (Item("test/1.jpg", CAT),),
    }
    assert set(dataset.notes) == {"val holds nothing of cat", "test holds nothing of dog"}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_at_the_top_is_a_table_like_any_other(write, kind):
    rows = metadata(kind, ("1.jpg", "dog"), ("x/2.jpg", "cat"))

    dataset = read_dataset(write({"1.jpg": "1", "x/2.jpg": "2", f"metadata.{kind}": rows}))

    assert dataset.splits == {"all": (Item("1.jpg", DOG), Item("x/2.jpg", CAT))}


def test_lists_make_an_image_folder_multilabel_as_a_whole(write):
    files = {
        "train/1.jpg": "1",
        "test/1.jpg": "2",
        "train/metadata.jsonl": '{"file_name": "1.jpg", "labels": ["cat", "dog"]}',
        "test/metadata.jsonl": '{"file_name": "1.jpg", "labels": "dog"}',
    }

    dataset = read_dataset(write(files))

    assert dataset.task == "multilabel"
    assert dataset.splits["test"] == (Item("test/1.jpg", LabelsTarget((1,))),)


def test_metadata_without_labels_leave_the_classes_to_the_folders(write):
    files = {
        "train/cat/1.jpg": "1",
        "train/dog/1.jpg": "2",
        "train/metadata.csv": "file_name,text\ncat/1.jpg,a cat\n",
    }

    dataset = read_dataset(write(files))

    assert (dataset.format, dataset.classes) == ("class folders", ("cat", "dog"))


def test_metadata_in_folders_that_are_no_splits_are_passed_over(write):
    files = {
        "cat/1.jpg": "1",
        "dog/2.jpg": "2",
        "cat/metadata.csv": metadata("csv", ("1.jpg", "x")),
    }

    assert read_dataset(write(files)).format == "class folders"


def test_paths_that_begin_with_folders_of_splits_tell_the_splits(write):
    rows = "path,label\ntrain/1.jpg,cat\ntrain/2.jpg,dog\nvalidation/1.jpg,dog\n"
    files = {"train/1.jpg": "1", "train/2.jpg": "2", "validation/1.jpg": "3", "list.csv": rows}

    dataset = read_dataset(write(files))

    assert {name: len(items) for name, items in dataset.splits.items()} == {"train": 2, "val": 1}
    assert dataset.notes[0] == (
        "the splits are the folders that the paths begin with: train, validation"
    )


def test_a_column_of_splits_stands_above_the_folders(write):
    rows = "path,label,split\ntrain/1.jpg,cat,train\ntrain/2.jpg,dog,train\ntrain/3.jpg,dog,test\n"
    files = {f"train/{n}.jpg": str(n) for n in (1, 2, 3)}

    dataset = read_dataset(write({**files, "list.csv": rows}))

    assert [item.image for item in dataset.splits["test"]] == ["train/3.jpg"]
    assert dataset.notes == ("test holds nothing of cat",)


def test_pictures_that_no_line_names_are_noted(write):
    rows = "path,label\n1.jpg,cat\n2.jpg,dog\n"
    files = {"1.jpg": "1", "2.jpg": "2", "3.jpg": "3", "x/4.png": "4", "list.csv": rows}

    root = write(files)

    assert read_dataset(root).notes == ("2 pictures are in no line and left out: 3.jpg, x/4.png",)
    assert read_dataset(root / "list.csv").notes == ()


ROW = metadata("csv", ("1.jpg", "cat"))
JSON = metadata("jsonl", ("1.jpg", "cat"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": ROW, "b.jsonl": JSON}, "more than one table of pictures: a.csv, b.jsonl"),
        ({"a.jsonl": JSON, "b.jsonl": JSON}, "more than one table of pictures: a.jsonl, b.jsonl"),
        (
            {"a.csv": ROW, "train/metadata.csv": ROW},
            "more than one table of pictures: a.csv, train/metadata.csv",
        ),
        (
            {"train/metadata.csv": ROW, "train/metadata.jsonl": JSON},
            "more than one table of pictures: train/metadata.csv, train/metadata.jsonl",
        ),
        (
            {"val/metadata.csv": ROW, "validation/metadata.csv": ROW, "val/1.jpg": "1"},
            "more than one table of pictures: val/metadata.csv, validation/metadata.csv",
        ),
        (
            {"train/metadata.csv": "file_name,label,split\n1.jpg,cat,test\n", "train/1.jpg": "1"},
            "train/metadata.csv:2 has the split 'test' in the folder train",
        ),
        (
            {"train/metadata.csv": ROW, "1.jpg": "1"},
            "train/metadata.csv:2 names train/1.jpg, which does not exist",
        ),
        (
            {"train/metadata.jsonl": '{"file_name": "../1.jpg", "label": "cat"}', "1.jpg": "1"},
            "train/metadata.jsonl:1 leads out of the folder of the table: ../1.jpg",
        ),
    ],
)
def test_what_is_not_one_set_is_refused(write, files, message):
    with pytest.raises(DataError, match=message):
        read_dataset(write(files))


def test_a_table_that_is_too_large_is_refused(write, monkeypatch):
    root = write({"1.jpg": "1", "list.csv": ROW})
    monkeypatch.setattr(text, "check_size", lambda path, size, most=20: check(path, size, 20))

    with pytest.raises(
        DataError, match=r"list\.csv has 26 bytes, too many .*\n  expected: at most 20"
    ):
        read_dataset(root)


check = text.check_size


def test_a_table_that_cannot_be_opened_is_named(write, monkeypatch):
    root = write({"1.jpg": "1", "list.csv": ROW})

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_bytes", refused)

    with pytest.raises(DataError, match=r"list\.csv cannot be read: Permission denied"):
        read_dataset(root / "list.csv")
