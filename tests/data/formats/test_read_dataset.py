"""Finding the layout by looking, and bringing labels to a recognizer's order by name."""

from __future__ import annotations

import unicodedata

import pytest
import torch

from manako.data.formats import FORMATS, read_dataset
from manako.data.strata import classes_shown
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget


def test_where_nothing_fits_the_error_lists_what_was_looked_for_and_seen(write):
    with pytest.raises(
        DataError, match=r"there are the folders docs/, files: 2 \.txt, 1 without ending"
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


def test_several_labels_follow_names_too(write):
    rows = "path,labels\n1.jpg,ant|cow\n2.jpg,cow\n3.jpg,\n"
    root = write({"1.jpg": "1", "2.jpg": "2", "3.jpg": "3", "list.csv": rows})

    dataset = read_dataset(root, classes=["cow", "bee", "ant"])

    assert [item.truth for item in dataset.splits["all"]] == [
        LabelsTarget((0, 2)),
        LabelsTarget((0,)),
        LabelsTarget(()),
    ]
    assert dataset.notes[-1] == "all holds nothing of bee"
    with pytest.raises(DataError, match="holds the class 'cow', unknown to the recognizer"):
        read_dataset(root, classes=["ant", "bee"])


@pytest.mark.parametrize("labels", ["label", "labels"])
def test_a_split_that_lacks_a_class_is_noted_and_shifts_nothing(write, labels):
    rows = (
        f"path,{labels},split\n1.jpg,ant,train\n2.jpg,bee,train\n3.jpg,cow,train\n4.jpg,cow,val\n"
    )
    dataset = read_dataset(write({**{f"{n}.jpg": str(n) for n in range(1, 5)}, "list.csv": rows}))

    assert dataset.classes == ("ant", "bee", "cow")
    assert classes_shown(dataset.splits["val"][0]) == {2}
    assert dataset.notes == ("val holds nothing of ant, bee",)


@pytest.mark.parametrize("labels", ["label", "labels"])
def test_a_class_outside_train_alone_is_refused_with_a_near_name(write, labels):
    rows = f"path,{labels},split\n1.jpg,ant,train\n2.jpg,bee,train\n3.jpg,aunt,test\n"

    with pytest.raises(
        DataError, match=r"the class 'aunt' is in test \(3\.jpg\) but not in train"
    ) as caught:
        read_dataset(write({**{f"{n}.jpg": str(n) for n in range(1, 4)}, "list.csv": rows}))

    assert (caught.value.expected, caught.value.fix) == ("ant, bee", "did you mean 'ant'?")


def test_a_single_label_can_be_learned_where_some_pictures_lack_it(write):
    rows = "path,labels\n1.jpg,ant\n2.jpg,\n"

    dataset = read_dataset(write({"1.jpg": "1", "2.jpg": "2", "list.csv": rows}))

    assert (dataset.task, dataset.classes) == ("multilabel", ("ant",))


def test_groups_in_two_splits_are_all_named(write):
    rows = "path,label,split,group\n" + "".join(
        f"{n}.jpg,{'ab'[n % 2]},{split},g{n // 2}\n"
        for n, split in enumerate(["train", "test", "train", "train", "train", "val"])
    )

    with pytest.raises(
        DataError,
        match=r"the group 'g0' is in test and train; in all 2 groups are torn: g0, g2\n.*\n  fix ",
    ):
        read_dataset(write({**{f"{n}.jpg": str(n) for n in range(6)}, "list.csv": rows}))


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
