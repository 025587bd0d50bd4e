"""Class folders: with and without splits, from folders and archives, and what is told of them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manako.data.dataset import Item
from manako.data.formats import read_dataset
from manako.data.names import is_ignored
from manako.errors import DataError
from manako.structures import ClassTarget

KINDS = ("folder", "tar", "zip", "tar.gz", "tgz")


def labels(dataset, split: str = "train") -> dict[str, str]:
    return {item.image: dataset.classes[item.truth.label] for item in dataset.splits[split]}


@pytest.mark.parametrize("kind", KINDS)
def test_folders_for_splits_and_classes_give_one_set_however_it_is_packed(write, kind):
    files = {
        "train/cat/1.jpg": "a",
        "train/cat/young/2.PNG": "b",
        "train/dog/1.jpeg": "c",
        "valid/dog/5.webp": "d",
        "test/cat/6.tiff": "e",
        "test/dog/.hidden/7.jpg": "f",
    }

    dataset = read_dataset(write(files, kind))

    cat, dog = ClassTarget(0), ClassTarget(1)
    assert (dataset.task, dataset.format) == ("classification", "class folders")
    assert dataset.classes == ("cat", "dog")
    assert dataset.splits == {
        "train": (
            Item("train/cat/1.jpg", cat),
            Item("train/cat/young/2.PNG", cat),
            Item("train/dog/1.jpeg", dog),
        ),
        "val": (Item("valid/dog/5.webp", dog),),
        "test": (Item("test/cat/6.tiff", cat),),
    }
    assert dataset.notes == (
        "class folders without a picture: test/dog",
        "test holds nothing of dog",
        "val holds nothing of cat",
    )
    assert dataset.described() == (
        "classification: class folders, 2 classes, train 3 · val 1 · test 1 pictures"
    )


def test_class_folders_alone_are_one_set_to_be_split(write):
    dataset = read_dataset(write({"cat/1.jpg": "a", "dog/1.jpg": "b", "dog/2.jpg": "c"}))

    assert labels(dataset, "all") == {"cat/1.jpg": "cat", "dog/1.jpg": "dog", "dog/2.jpg": "dog"}
    assert dataset.described().endswith("2 classes, all 3 pictures")


CLASS_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda name: not is_ignored(name) and name not in ("images", "masks", "labels"))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        CLASS_NAMES.map(lambda name: unicodedata.normalize("NFC", name)),
        st.integers(1, 3),
        min_size=2,
        max_size=5,
    ),
    st.sampled_from(["train", "Validation", "test"]),
    st.sampled_from(["folder", "tar", "zip"]),
)
def test_what_is_written_is_read(write, classes, split, kind):
    files = {
        f"{top}/{name}/{number}.png": "x"
        for top in {"train", split}
        for name, count in classes.items()
        for number in range(count)
    }
    path = write(files, kind, name=f"set{abs(hash((tuple(classes.items()), split, kind)))}")

    dataset = read_dataset(path)

    assert dataset.classes == tuple(sorted(classes))
    found = {path for name in dataset.splits for path in labels(dataset, name)}
    assert found == set(files)
    assert all(
        f"/{label}/" in path
        for name in dataset.splits
        for path, label in labels(dataset, name).items()
    )


def test_one_name_in_two_unicode_forms_is_one_class(write):
    nfc, nfd = (unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD"))

    dataset = read_dataset(
        write({f"train/{nfd}/1.jpg": "a", "train/bee/1.jpg": "b", f"test/{nfc}/2.jpg": "c"})
    )

    assert dataset.classes == (nfc, "bee") if nfc < "bee" else ("bee", nfc)
    assert labels(dataset)[f"train/{nfd}/1.jpg"] == nfc
    assert labels(dataset, "test") == {f"test/{nfc}/2.jpg": nfc}


@pytest.mark.parametrize("kind", KINDS)
def test_empty_classes_other_files_and_stray_pictures_are_noted(write, kind):
    dataset = read_dataset(
        write(
            {
                "train/ant": None,
                "train/bee/1.jpg": "a",
                "train/cow/notes.txt": "b",
                "train/dog/1.jpg": "c",
                "train/stray.jpg": "d",
                "extra/bee/2.jpg": "e",
                "LICENSE": "f",
            },
            kind,
        )
    )

    assert dataset.classes == ("bee", "dog")
    assert dataset.notes == (
        "2 pictures lie outside the class folders and are left out: "
        "extra/bee/2.jpg, train/stray.jpg",
        "files that are not pictures are left out: 1 without ending, 1 .txt",
        "class folders without a picture: train/ant, train/cow",
    )


def test_a_class_that_train_does_not_know_is_refused_and_named(write):
    root = write({"train/cat/1.jpg": "a", "train/dog/1.jpg": "b", "val/dgo/2.jpg": "c"})

    with pytest.raises(DataError, match=r"the class 'dgo' is in val \(val/dgo/2\.jpg\)") as caught:
        read_dataset(root)

    assert caught.value.fix == "did you mean 'dog'?"


def test_a_single_class_is_nothing_to_tell_apart(write):
    with pytest.raises(DataError, match="holds the single class 'cat'") as caught:
        read_dataset(write({"cat/1.jpg": "a", "cat/2.jpg": "b"}))

    assert "if 'cat' is itself the data set, give its path" in caught.value.fix


def test_two_folders_for_one_split_are_refused(write):
    with pytest.raises(DataError, match="two folders for val: val and validation"):
        read_dataset(write({"val/cat/1.jpg": "a", "validation/dog/1.jpg": "b"}))


def test_pictures_in_splits_without_classes_are_not_classes_named_train_and_test(write):
    with pytest.raises(DataError, match=r"there are the folders test/, train/, files: 2 \.jpg"):
        read_dataset(write({"train/1.jpg": "a", "test/2.jpg": "b"}))


@pytest.mark.parametrize("inner", ["train", "images"])
def test_a_folder_of_data_sets_is_not_taken_for_classes(write, inner):
    root = write({f"fluo/{inner}/1/1.png": "a", f"he/{inner}/1/1.png": "b"})

    with pytest.raises(DataError, match=f"fluo/ is no class but looks like a data set.*{inner}/"):
        read_dataset(root)


def test_classes_one_folder_deeper_are_hinted_at(write):
    dataset = read_dataset(write({"photos/cat/1.jpg": "a", "drawings/dog/1.jpg": "b"}))

    assert dataset.notes[0].startswith("no picture lies directly in its class folder")
    assert "(drawings/dog)" in dataset.notes[0]


def test_cifar_10_is_what_its_catalogue_says(shared_data):
    dataset = read_dataset(shared_data("cifar10.tar.gz"))

    assert dataset.described() == (
        "classification: class folders, 10 classes, train 50,000 · test 10,000 pictures"
    )
    assert dataset.notes == ()
    assert set(dataset.class_counts("train").values()) == {5000}
    assert set(dataset.class_counts("test").values()) == {1000}
