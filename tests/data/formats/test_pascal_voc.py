"""Pascal VOC: coordinates, lists, difficult objects and the faults that real sets have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manako.data.dataset import load_sample
from manako.data.formats import read_dataset
from manako.errors import DataError


def xml(*objects: tuple, size: tuple[int, int] | None = (8, 6)) -> str:
    """An annotation of (name, xmin, ymin, xmax, ymax, difficult) objects; `size` is W x H."""
    parts = ["<annotation>"]
    if size is not None:
        parts.append(f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    for name, *box, difficult in objects:
        sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
        parts.append(
            f"<object><name>{name}</name><difficult>{difficult}</difficult>"
            f"<bndbox>{corners}</bndbox></object>"
        )
    return "".join([*parts, "</annotation>"])


def voc(picture, **annotations: str) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {}
    for number, (name, text) in enumerate(annotations.items()):
        files[f"JPEGImages/{name}.png"] = picture(number)
        files[f"Annotations/{name}.xml"] = text
    return files


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tgz"])
def test_boxes_labels_and_splits_are_the_same_however_the_set_is_packed(write, picture, kind):
    files = voc(
        picture,
        a=xml(("dog", 1, 1, 8, 6, 0), ("cat", 2, 3, 4, 5, 1)),
        b=xml(),
        c=xml(("cat", 2.5, 3, 4, 5, 0)),
        d=xml(("cat", 1, 1, 2, 2, 0)),
    )
    files |= {
        "ImageSets/Main/train.txt": "a\nb.png\n",
        "ImageSets/Main/val.txt": "\ufeffc\r\n\r\n",
        "ImageSets/Main/trainval.txt": "a\nb\nc\n",
        "ImageSets/Main/cat_train.txt": "a -1\n",
    }

    dataset = read_dataset(write(files, kind))

    assert (dataset.task, dataset.classes) == ("detection", ("cat", "dog"))
    assert [item.image for item in dataset.splits["train"]] == [
        "JPEGImages/a.png",
        "JPEGImages/b.png",
    ]
    first, second, third = *dataset.splits["train"], *dataset.splits["val"]
    assert first.truth.boxes_xyxy.tolist() == [[0, 0, 8, 6], [1, 2, 4, 5]]
    assert first.truth.labels.tolist() == [1, 0]
    assert first.truth.ignored.tolist() == [False, True]
    assert second.truth.boxes_xyxy.shape == (0, 4)
    assert third.truth.boxes_xyxy.tolist() == [[1.5, 2, 4, 5]]
    assert dataset.notes == (
        "1 annotated pictures are in no list and left out",
        "val holds nothing of dog",
    )
    assert dataset.class_counts("train") == {"cat": 0, "dog": 1}


BOXES = st.tuples(
    st.sampled_from(["cat", "dog", "Käfer"]),
    st.integers(0, 6),
    st.integers(0, 4),
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(BOXES, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read(write, picture, pictures):
    pictures = [*pictures, [(name, 0, 0, 2, 2, False) for name in ("cat", "dog", "Käfer")]]
    annotations = {
        f"p{n}": xml(
            *((name, x + 1, y + 1, x + w, y + h, int(hard)) for name, x, y, w, h, hard in boxes)
        )
        for n, boxes in enumerate(pictures)
    }

    dataset = read_dataset(
        write(voc(picture, **annotations), name=f"set{abs(hash(str(pictures)))}")
    )

    for item in dataset.splits["all"]:
        boxes = pictures[int(item.image.split("/p")[1][:-4])]
        corners = [[x, y, x + w, y + h] for _, x, y, w, h, _ in boxes]
        assert item.truth.boxes_xyxy.tolist() == corners
        assert [dataset.classes[label] for label in item.truth.labels] == [box[0] for box in boxes]
        assert item.truth.ignored.tolist() == [box[5] for box in boxes]


def test_without_lists_all_annotated_pictures_are_one_set(write, picture):
    files = voc(picture, a=xml(("cat", 1, 1, 4, 4, 0)), b=xml(("dog", 1, 1, 4, 4, 0)))
    files["JPEGImages/c.png"] = picture(3)

    dataset = read_dataset(write(files))

    assert [item.image for item in dataset.splits["all"]] == [
        "JPEGImages/a.png",
        "JPEGImages/b.png",
    ]


def test_trainval_is_train_where_there_is_no_other_list_for_it(write, picture):
    files = voc(picture, a=xml(("cat", 1, 1, 4, 4, 0)), b=xml(("cat", 1, 1, 4, 4, 0)))
    files |= {"ImageSets/Main/trainval.txt": "a", "ImageSets/Main/test.txt": "b"}

    dataset = read_dataset(write(files))

    assert {split: len(items) for split, items in dataset.splits.items()} == {"train": 1, "test": 1}


def test_the_folder_of_a_year_may_lie_around_it(write, picture):
    files = voc(picture, a=xml(("cat", 1, 1, 4, 4, 0)))
    inside = {f"VOC2007/{path}": content for path, content in files.items()}

    dataset = read_dataset(write({**inside, "readme.txt": "x"}))

    assert dataset.splits["all"][0].image == "VOC2007/JPEGImages/a.png"
    with pytest.raises(DataError, match="more than one data set: VOC2007/, VOC2012/"):
        read_dataset(write({**inside, **{f"VOC2012/{path}": text for path, text in files.items()}}))


@pytest.mark.parametrize(
    "box",
    [(3, 3, 2, 5), (3, 3, 5, 2), (5, 3, 3, 5), (9, 3, 9, 5), ("nan", 1, 2, 2), (1, 1, "inf", 2)],
)
def test_boxes_without_an_area_are_left_out_and_noted(write, picture, box):
    files = voc(picture, a=xml(("cat", *box, 0), ("cat", 1, 1, 4, 4, 0)))

    dataset = read_dataset(write(files))

    assert dataset.splits["all"][0].truth.boxes_xyxy.tolist() == [[0, 0, 4, 4]]
    assert dataset.notes == ("1 boxes without an area are left out: Annotations/a.xml",)


def test_boxes_a_little_outside_are_clipped_and_counted(write, picture):
    files = voc(picture, a=xml(("cat", 0, 0, 9.5, 7, 0)))

    dataset = read_dataset(write(files))

    assert dataset.splits["all"][0].truth.boxes_xyxy.tolist() == [[0, 0, 8, 6]]
    assert dataset.notes == (
        "1 boxes reached less than 2 pixels over the edge and are clipped: Annotations/a.xml",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (xml(("cat", 1, 1, 10, 6, 0)), r"a.xml: the box \(1, 1, 10, 6\) of 'cat' reaches 2 pixels"),
        (xml(("cat", -1, 1, 4, 6, 0)), "reaches 2 pixels out of the picture of 8 x 6"),
        (xml(("cat", 20, 20, 24, 26, 0)), "reaches 20 pixels out"),
        (xml(("", 1, 1, 4, 4, 0)), "a.xml has an object without a name"),
        (xml(("cat", "x", 1, 4, 4, 0)), "a.xml has a box with xmin 'x'"),
        ("<annotation><object><name>c</name></object></annotation>", "has a box with xmin ''"),
        ("<annotation>", "a.xml cannot be read as XML"),
        (xml().replace("8<", "wide<"), "a.xml states the size wide x 6"),
        (xml().replace("8<", "1000001<"), "a.xml states a side of more than 1,000,000 pixels"),
        (xml().replace("8<", 500 * "8" + "<"), "a.xml states a side of more than 1,000,000 pix"),
        (xml() + 2**24 * " ", "a.xml has 16,777,[0-9]+ bytes, too many"),
        (xml(), "no annotation holds an object with a box"),
        (
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>',
            "a.xml cannot be read as XML: DTDForbidden",
        ),
    ],
)
def test_faults_of_an_annotation_are_named_with_its_file(write, picture, text, message):
    with pytest.raises(DataError, match=message):
        read_dataset(write(voc(picture, a=text)))


def test_faults_of_lists_and_missing_files_are_named(write, picture):
    files = voc(picture, a=xml(("cat", 1, 1, 4, 4, 0)), abc=xml(("cat", 1, 1, 4, 4, 0)))
    listed = {**files, "ImageSets/Main/train.txt": "a\nabd\n"}
    lonely = {**files, "ImageSets/Main/train.txt": "a\nb\n", "JPEGImages/b.png": picture(9)}
    doubled = {**files, "JPEGImages/a.jpg": picture(9)}
    leaking = {**files, "ImageSets/Main/train.txt": "a", "ImageSets/Main/test.txt": "a"}

    with pytest.raises(DataError, match=r"Main/train\.txt:2 names abd, which is not") as caught:
        read_dataset(write(listed, name="listed"))
    assert caught.value.fix == "did you mean 'abc'?"
    with pytest.raises(DataError, match=r"JPEGImages/b\.png has no annotation"):
        read_dataset(write(lonely, name="lonely"))
    with pytest.raises(DataError, match=r"a\.jpg and JPEGImages/a\.png have one name"):
        read_dataset(write(doubled, name="doubled"))
    with pytest.raises(DataError, match=r"a\.png is listed twice, in test and train"):
        read_dataset(write(leaking, name="leaking"))


def test_a_size_that_is_left_out_is_read_from_the_picture(write, picture):
    files = voc(
        picture,
        a=xml(("cat", 1, 1, 8, 6, 0), size=None),
        b=xml(("cat", 1, 1, 8, 6, 0), size=(0, 0)),
    )

    dataset = read_dataset(write(files))

    assert [item.size_hw for item in dataset.splits["all"]] == [(6, 8), (6, 8)]


def test_an_annotation_of_another_size_than_the_picture_is_refused_when_it_is_loaded(
    write, picture
):
    files = voc(picture, a=xml(("cat", 1, 1, 6, 8, 0), size=(6, 8)))
    dataset = read_dataset(write(files))

    with pytest.raises(DataError, match=r"a\.png is 8 x 6 pixels, but its annotation says 6 x 8"):
        load_sample(dataset.files, dataset.splits["all"][0])


def test_bccd_is_what_its_catalogue_says(shared_data):
    dataset = read_dataset(shared_data("bccd.tar"))

    assert dataset.described() == (
        "detection: Pascal VOC, 3 classes, train 205 · val 87 · test 72 pictures"
    )
    counts = [dataset.class_counts(split) for split in dataset.splits]
    totals = {name: sum(count[name] for count in counts) for name in dataset.classes}
    assert totals == {"Platelets": 361, "RBC": 4155, "WBC": 372}
    assert dataset.notes == ()
    sample = load_sample(dataset.files, dataset.splits["train"][0])
    assert sample.image.shape == (3, 480, 640)
    assert torch.equal(sample.target.boxes_xyxy, dataset.splits["train"][0].truth.boxes_xyxy)
