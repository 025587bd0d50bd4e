"""Records of a data set: its line, fingerprint and counts, and how one sample is loaded."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import pytest
import torch
from PIL import Image

from manako.data.dataset import Dataset, Item, MaskFile, load_mask, load_sample
from manako.data.files import open_tree
from manako.errors import DataError, UnknownName
from manako.structures import BoxTargets, ClassTarget, MaskTarget


@pytest.fixture
def files(write, picture, mask):
    names = {f"{n}.png": picture(n, (2, 3)) for n in range(4)}
    return open_tree(write({**names, "mask.png": mask([[0, 7, 7], [11, 255, 0]])}))


def classification(files) -> Dataset:
    cat, dog = ClassTarget(0), ClassTarget(1)
    splits = {
        "test": (Item("3.png", cat),),
        "train": (Item("0.png", cat), Item("1.png", dog), Item("2.png", dog)),
    }
    return Dataset("classification", ("cat", "dog"), splits, files, "class folders")


def test_the_line_names_splits_in_the_order_of_work(files):
    dataset = classification(files)
    many = replace(dataset, splits={**dataset.splits, "val": (Item("0.png", None),) * 45_000})

    assert dataset.described() == (
        "classification: class folders, 2 classes, train 3 · test 1 pictures"
    )
    assert many.described().endswith("train 3 · val 45,000 · test 1 pictures")
    assert (
        replace(dataset, classes=("cat",))
        .described()
        .startswith("classification: class folders, 1 class, ")
    )


def test_the_fingerprint_changes_with_every_part_of_the_truth(files):
    dataset = classification(files)
    train = dataset.splits["train"]
    boxes = BoxTargets(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([0]))
    shifted = BoxTargets(torch.tensor([[0.0, 0, 1, 2]]), torch.tensor([0]))
    ignored = replace(boxes, ignored=torch.tensor([True]))
    truths = [
        ClassTarget(1), None, boxes, shifted, ignored,
        MaskFile("mask.png"), MaskFile("mask.png", {0: 0}), MaskFile("mask.png", {0: 1}),
        MaskFile("3.png", {0: 1}),
    ]  # fmt: skip
    others = [
        replace(dataset, classes=("dog", "cat")),
        replace(dataset, splits={"train": train[::-1], "test": dataset.splits["test"]}),
        replace(dataset, splits={"train": train[1:], "test": dataset.splits["test"]}),
        *(
            replace(dataset, splits={**dataset.splits, "train": (Item("0.png", truth), *train[1:])})
            for truth in truths
        ),
    ]

    prints = [one.fingerprint() for one in (dataset, *others)]

    assert len(set(prints)) == len(prints)
    assert classification(files).fingerprint() == prints[0]


def test_the_fingerprint_of_a_split_ignores_the_others_and_sees_sizes_in_bytes(
    files, write, picture
):
    dataset = classification(files)
    moved = replace(
        dataset, files=open_tree(write({f"{n}.png": picture(n, (2, 3)) for n in range(4)}, "tar"))
    )
    resized = open_tree(write({f"{n}.png": picture(n, (9, 9)) for n in range(4)}, name="b"))

    assert dataset.fingerprint("train") == replace(
        dataset, splits={"train": dataset.splits["train"]}
    ).fingerprint("train")
    assert dataset.fingerprint("train") != dataset.fingerprint("test") != dataset.fingerprint()
    assert moved.fingerprint() == dataset.fingerprint()
    assert replace(dataset, files=resized).fingerprint() != dataset.fingerprint()


def test_classes_are_counted_in_pictures_and_boxes(files):
    boxes = BoxTargets(
        torch.zeros(4, 4), torch.tensor([1, 1, 0, 1]), torch.tensor([False, False, False, True])
    )
    detection = Dataset(
        "detection", ("a", "b"), {"train": (Item("0.png", boxes), Item("1.png", None))}, files, "x"
    )
    masks = (Item("0.png", MaskFile("mask.png", {0: 1, 7: 0, 11: 255})),) * 2
    segmentation = Dataset("segmentation", ("a", "b", "c"), {"train": masks}, files, "x")

    assert classification(files).class_counts("train") == {"cat": 1, "dog": 2}
    assert detection.class_counts("train") == {"a": 1, "b": 2}
    assert segmentation.class_counts("train") == {"a": 2, "b": 2, "c": 0}


def test_a_split_that_is_not_there_is_answered_with_those_that_are(files):
    with pytest.raises(UnknownName, match="no split 'tset'; did you mean 'test'"):
        classification(files).split("tset")
    with pytest.raises(UnknownName, match="no split 'val'"):
        classification(files).class_counts("val")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_holds_the_picture_its_truth_and_its_name(files, channels):
    boxes = BoxTargets(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([0]))

    samples = [
        load_sample(files, Item("1.png", truth, size_hw=(2, 3)), channels)
        for truth in (None, ClassTarget(1), boxes)
    ]

    assert all(sample.image.shape == (channels, 2, 3) for sample in samples)
    assert [sample.target for sample in samples] == [None, ClassTarget(1), boxes]
    assert samples[0].name == "1.png"


def test_values_of_a_mask_become_classes(files):
    mask = MaskFile("mask.png", {0: 2, 7: 0, 11: 255})

    sample = load_sample(files, Item("0.png", mask))

    assert isinstance(sample.target, MaskTarget)
    assert sample.target.mask.tolist() == [[2, 0, 0], [255, 255, 2]]
    assert load_mask(files, MaskFile("mask.png")).tolist() == [[0, 7, 7], [11, 255, 0]]
    assert load_mask(files, replace(mask, values={0: 1, 7: 1, 11: 0, 255: 0})).tolist() == [
        [1, 1, 1],
        [0, 0, 1],
    ]


def test_a_value_that_is_no_class_is_named_with_its_file(files):
    with pytest.raises(
        DataError, match=r"mask\.png holds the value 7, which is no class"
    ) as caught:
        load_sample(files, Item("0.png", MaskFile("mask.png", {0: 0, 1: 1})))

    assert caught.value.expected == "one of 0, 1"


def test_a_turned_picture_with_an_annotation_of_the_unturned_one_is_explained(write):
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (30, 20)).save(stream, "JPEG", exif=exif)
    files = open_tree(write({"a.jpg": stream.getvalue()}))

    with pytest.raises(DataError) as caught:
        load_sample(files, Item("a.jpg", None, size_hw=(20, 30)))

    assert caught.value.what == (
        "a.jpg is 20 x 30 pixels (turned upright, as its EXIF orientation 6 asks), "
        "but its annotation says 30 x 20"
    )
    assert load_sample(files, Item("a.jpg", None, size_hw=(30, 20))).size_hw == (30, 20)


def test_a_cut_off_picture_is_named(write, picture):
    files = open_tree(write({"train/cat/7.png": picture(1)[:50]}))

    with pytest.raises(DataError, match=r"^train/cat/7\.png is cut off after 50 bytes"):
        load_sample(files, Item("train/cat/7.png", ClassTarget(0)))


def test_a_data_set_travels_to_other_processes(files):
    dataset = classification(files)

    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes

    assert copy.splits == dataset.splits
    assert copy.fingerprint() == dataset.fingerprint()
    sample = load_sample(copy.files, copy.splits["train"][0])
    assert torch.equal(sample.image, load_sample(files, dataset.splits["train"][0]).image)
