"""Pictures with masks: where they lie, what their values mean, and what is refused."""

from __future__ import annotations

import pytest

from manako.data.dataset import load_sample
from manako.data.formats import mask_pairs, read_dataset
from manako.errors import DataError
from manako.structures import IGNORE

MASK = [[0, 1, 2], [2, 1, 255]]


@pytest.fixture
def pairs(picture, mask):
    """Files for pictures and masks at the given places."""

    def make(**places: str) -> dict[str, bytes | str]:
        files: dict[str, bytes | str] = {}
        for number, (image, mask_path) in enumerate(places.items()):
            files[image] = picture(number, (2, 3))
            files[mask_path] = mask(MASK)
        return files

    return make


LAYOUTS = [
    ("images/train/{}", "masks/train/{}"),
    ("images/train/{}", "labels/train/{}"),
    ("train/images/{}", "train/masks/{}"),
    ("train/images/{}", "train/labels/{}"),
]


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tar.gz"])
@pytest.mark.parametrize(("images", "masks"), LAYOUTS)
def test_every_layout_gives_pairs_however_it_is_packed(write, pairs, images, masks, kind):
    val = [layout.replace("train", "validation") for layout in (images, masks)]
    files = pairs(
        **{
            images.format("1.jpg"): masks.format("1.png"),
            images.format("city/2.png"): masks.format("city/2.png"),
            val[0].format("3.jpg"): val[1].format("3.png"),
        }
    )
    files["classes.txt"] = "sky\nroad\ncar\n"

    dataset = read_dataset(write(files, kind))

    assert (dataset.task, dataset.classes) == ("segmentation", ("sky", "road", "car"))
    assert [(item.image, item.truth.path) for item in dataset.splits["train"]] == [
        (images.format("1.jpg"), masks.format("1.png")),
        (images.format("city/2.png"), masks.format("city/2.png")),
    ]
    assert len(dataset.splits["val"]) == 1
    assert dataset.notes == ()
    sample = load_sample(dataset.files, dataset.splits["train"][0])
    assert sample.target.mask.tolist() == MASK


def test_without_folders_for_splits_all_pictures_are_one_set(write, pairs):
    dataset = read_dataset(write(pairs(**{"images/1.jpg": "masks/1.png"})))

    assert list(dataset.splits) == ["all"]
    assert dataset.described() == ("segmentation: pictures and masks, 3 classes, all 1 pictures")


CLASSES = {
    "numbered": ("7 sky\n\n1: road\n2,car\n", ("road", "car", "sky"), {1: 0, 2: 1, 7: 2, 255: 255}),
    "ignored": (
        "\ufeff0 sky\r\n1 Void\r\n2 car\r\n",
        ("sky", "car"),
        {0: 0, 1: 255, 2: 1, 255: 255},
    ),
    "in order": ("sky\nunlabelled\ncar\n", ("sky", "car"), {0: 0, 1: 255, 2: 1, 255: 255}),
    "background stays": ("background\ncar", ("background", "car"), {0: 0, 1: 1, 255: 255}),
    "255 named": ("0 background\n255 car", ("background", "car"), {0: 0, 255: 1}),
    "names with spaces": (
        "0 traffic light\n1 car",
        ("traffic light", "car"),
        {0: 0, 1: 1, 255: 255},
    ),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classes_txt_names_the_values(write, pairs, case):
    text, classes, values = CLASSES[case]
    files = pairs(**{"images/1.jpg": "masks/1.png"})

    dataset = read_dataset(write({**files, "classes.txt": text}))

    assert dataset.classes == classes
    assert dict(dataset.splits["all"][0].truth.values) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 sky\nroad\n", "classes.txt:2 has no value before the name"),
        ("0 sky\n0 road\n", "classes.txt:2 repeats 'road' or the value 0"),
        ("0 sky\n1 sky\n", "classes.txt:2 repeats 'sky' or the value 1"),
        ("0 sky\n256 road\n", "classes.txt:2 has the value 256"),
        ("0 sky\n" + 5000 * "9" + " road\n", "classes.txt:2 has no value before the name"),
        ("0 sky\n1 road\n".encode("utf-16"), "classes.txt is UTF-16"),
        ("sky\nvoid\n", "classes.txt names 1 classes"),
        ("", "classes.txt names 0 classes"),
        ("".join(f"c{n}\n" for n in range(256)), "classes.txt names 256 classes\n .* at most 255"),
        (b"caf\xe9\nsky", "classes.txt:1 is not UTF-8"),
    ],
)
def test_faults_of_classes_txt_are_named(write, pairs, text, message):
    files = pairs(**{"images/1.jpg": "masks/1.png"})

    with pytest.raises(DataError, match=message):
        read_dataset(write({**files, "classes.txt": text}))


def test_all_values_may_be_classes_but_one_that_does_not_count(write, pairs, mask):
    files = pairs(**{"images/1.jpg": "masks/1.png"})
    files["masks/1.png"] = mask([[0, 254, 255], [1, 0, 0]])
    names = ["void", *(f"c{n}" for n in range(1, 256))]

    dataset = read_dataset(write({**files, "classes.txt": "\n".join(names)}))

    sample = load_sample(dataset.files, dataset.splits["all"][0])
    assert sample.target.mask.tolist() == [[IGNORE, 253, 254], [0, IGNORE, IGNORE]]
    assert dataset.classes[254] == "c255"


def test_without_classes_txt_the_values_found_become_classes(write, pairs, mask):
    files = pairs(**{"images/1.jpg": "masks/1.png", "images/2.jpg": "masks/2.png"})
    files["masks/2.png"] = mask([[9, 9, 9], [0, 0, 0]])

    dataset = read_dataset(write(files))

    assert dataset.classes == ("class_0", "class_1", "class_2", "class_9")
    assert dataset.notes == (
        "no classes.txt: the classes are named after the values found in all masks",
    )
    sample = load_sample(dataset.files, dataset.splits["all"][1])
    assert sample.target.mask.tolist() == [[3, 3, 3], [0, 0, 0]]


def test_of_many_masks_a_part_is_looked_at_and_a_later_value_is_refused(
    write, pairs, mask, monkeypatch
):
    monkeypatch.setattr(mask_pairs, "LOOKED_AT", 2)
    files = pairs(**{f"images/{n}.jpg": f"masks/{n}.png" for n in range(4)})
    files["masks/3.png"] = mask([[9, 9, 9], [0, 0, 0]])

    dataset = read_dataset(write(files))

    assert dataset.classes == ("class_0", "class_1", "class_2")
    assert dataset.notes[0].endswith("found in 2 of 4 masks")
    with pytest.raises(DataError, match=r"masks/3\.png holds the value 9, which is no class"):
        load_sample(dataset.files, dataset.splits["all"][3])


def test_masks_of_0_and_255_are_asked_for_names(write, pairs, mask):
    files = pairs(**{"images/1.jpg": "masks/1.png"})
    files["masks/1.png"] = mask([[0, 255, 0]])

    with pytest.raises(DataError, match="the masks hold only the values 0, 255") as caught:
        read_dataset(write(files))

    assert "'0 background' and '255 object'" in caught.value.fix


def test_pictures_without_masks_are_refused_and_lonely_ones_noted(write, pairs, picture, mask):
    files = pairs(**{"images/train/1.jpg": "masks/train/1.png"})
    noted = {**files, "masks/train/2.png": mask(MASK), "images/3.jpg": picture(1)}

    dataset = read_dataset(write(noted, name="noted"))

    assert dataset.notes[1:] == (
        "1 masks have no picture: masks/train/2.png",
        "1 pictures lie outside the folders for splits and are left out: images/3.jpg",
    )
    with pytest.raises(DataError, match=r"1 of 2 pictures have no mask: images/train/4\.jpg"):
        read_dataset(write({**files, "images/train/4.jpg": picture(1)}, name="refused"))
    with pytest.raises(DataError, match=r"1\.bmp and images/train/1\.jpg have one name"):
        read_dataset(write({**files, "images/train/1.bmp": picture(1)}, name="doubled"))


def test_labels_in_text_files_are_no_masks(write, picture):
    root = write({"images/1.jpg": picture(1), "labels/1.txt": "0 0.5 0.5 1 1"})

    with pytest.raises(DataError, match="holds no data set of a kind that can be read"):
        read_dataset(root)


def test_a_mask_of_another_size_is_refused_when_it_is_loaded(write, pairs, mask):
    files = pairs(**{"images/1.jpg": "masks/1.png"})
    files["masks/1.png"] = mask([[0, 1], [2, 2]])
    dataset = read_dataset(write(files))

    with pytest.raises(DataError, match=r"1\.jpg is 3 x 2 pixels, but masks/1\.png is 2 x 2"):
        load_sample(dataset.files, dataset.splits["all"][0])


def test_camvid_is_what_its_catalogue_says(shared_data):
    dataset = read_dataset(shared_data("camvid.tar"))

    assert dataset.described() == (
        "segmentation: pictures and masks, 11 classes, train 367 · val 101 · test 233 pictures"
    )
    assert dataset.classes[0] == "sky"
    assert "unlabelled" not in dataset.classes
    truth = dataset.splits["train"][0].truth
    assert truth.values[11] == IGNORE
    sample = load_sample(dataset.files, dataset.splits["train"][0])
    assert sample.image.shape == (3, 360, 480)
    assert sorted(set(sample.target.mask.flatten().tolist()) - {IGNORE})[-1] <= 10
