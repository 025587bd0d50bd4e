"""Finding the layout by looking, and bringing labels to a recognizer's order by name."""

from __future__ import annotations

import unicodedata

import pytest
import torch

from manako.data.formats import FORMATS, read_dataset
from manako.errors import DataError
from manako.structures import ClassTarget


def test_where_nothing_fits_the_error_lists_what_was_looked_for_and_seen(write):
    with pytest.raises(
        DataError, match=r"there are the folders docs/, files: 2 \.txt, 1 no"
    ) as caught:
        read_dataset(write({"docs/a.txt": "a", "b.txt": "b", "LICENSE": "c"}))

    assert all(f"{layout.name}: {layout.looks_for}" in str(caught.value) for layout in FORMATS)
    with pytest.raises(DataError, match="there is no file in it"):
        read_dataset(write({}, name="empty"))


def test_labels_follow_the_names_of_a_recognizer_in_its_order(write):
    root = write({"train/ant/1.jpg": "a", "train/cow/1.jpg": "c", "val/cow/2.jpg": "d"})

    dataset = read_dataset(root, classes=["cow", "bee", "ant"])

    assert dataset.classes == ("cow", "bee", "ant")
    assert [item.truth for item in dataset.splits["train"]] == [ClassTarget(2), ClassTarget(0)]
    assert dataset.notes == ("train holds nothing of bee", "val holds nothing of bee, ant")


def test_a_single_class_is_enough_to_be_evaluated(write):
    dataset = read_dataset(write({"cow/1.jpg": "a"}), classes=["bee", "cow"])

    assert dataset.splits["all"][0].truth == ClassTarget(1)


def test_a_name_the_recognizer_does_not_know_is_refused(write):
    root = write({"ant/1.jpg": "a", "cow/1.jpg": "c"})

    with pytest.raises(
        DataError, match="holds the class 'cow', unknown to the recognizer"
    ) as caught:
        read_dataset(root, classes=["ant", "cows"])

    assert (caught.value.expected, caught.value.fix) == ("ant, cows", "did you mean 'cows'?")


def test_names_in_either_unicode_form_are_the_same(write):
    nfc, nfd = (unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD"))

    dataset = read_dataset(write({f"{nfc}/1.jpg": "a", "bee/1.jpg": "b"}), classes=[nfd, "bee"])

    assert [item.truth.label for item in dataset.splits["all"]] == [0, 1][
        :: -1 if nfc > "bee" else 1
    ]


def test_boxes_follow_names_too(write, picture):
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>"
    objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in ("ant", "cow"))
    root = write(
        {"JPEGImages/a.png": picture(), "Annotations/a.xml": f"<annotation>{objects}</annotation>"}
    )

    dataset = read_dataset(root, classes=["cow", "bee", "ant"])

    assert torch.equal(dataset.splits["all"][0].truth.labels, torch.tensor([2, 0]))


def test_masks_follow_names_too(write, picture, mask):
    root = write(
        {
            "images/1.png": picture(0, (1, 2)),
            "masks/1.png": mask([[3, 5]]),
            "classes.txt": "3 sky\n5 car\n7 void",
        }
    )

    dataset = read_dataset(root, classes=["car", "tree", "sky"])

    assert dict(dataset.splits["all"][0].truth.values) == {3: 2, 5: 0, 7: 255, 255: 255}
