import numpy as np
import pytest
from PIL import Image

from manako.data.formats import read_dataset
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.errors import DataError, UnknownName
from manako.reports.contact_sheet import EPOCHS, ROWS, write_contact_sheet
from shapes import COLOURS, MAKERS, class_folders


def sheet_of(path, dataset, **options):
    write_contact_sheet(path, dataset, **{"augment": "photo", **options})
    with Image.open(path, formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize("task", sorted(MAKERS))
def test_every_task_has_a_sheet_of_plain_and_augmented_pictures(tmp_path, task):
    dataset = read_dataset(MAKERS[task](tmp_path / "set"))

    pixels = sheet_of(tmp_path / "sheet.png", dataset)

    height, width, _ = pixels.shape
    side = 128  # the smallest whole multiple of 64 (and 32) pixels that is at least 112
    assert width == (EPOCHS + 1) * (side + 6) - 6
    assert ROWS * side < height < ROWS * (side + 40) + 40


def test_the_first_column_shows_pictures_as_validation_sees_them(tmp_path):
    dataset = read_dataset(class_folders(tmp_path / "set"))

    plain, augmented = (
        columns_of(sheet_of(tmp_path / "sheet.png", dataset, augment=augment))
        for augment in ("none", "photo")
    )

    for column in plain[3:]:
        assert (column == plain[2]).all()
    for column in (plain[0], augmented[0]):  # where captions are written, too
        assert (column != plain[2]).any(axis=2).mean() < 0.03
    for column in augmented[1:]:
        assert (column != plain[2]).any(axis=2).mean() > 0.2


def columns_of(pixels):
    """The columns of a sheet of pictures 128 pixels wide, below the titles."""
    return [pixels[30:, start : start + 128] for start in range(0, pixels.shape[1], 134)]


@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_all_classes_are_shown(tmp_path, colour):
    dataset = read_dataset(class_folders(tmp_path / "set", {"train": 40, "val": 4}))

    pixels = sheet_of(tmp_path / "sheet.png", dataset, augment="none")

    assert (np.abs(pixels - np.array(COLOURS[colour])).max(axis=2) < 12).sum() > 5000


def test_a_sheet_is_a_function_of_the_seed(tmp_path):
    dataset = read_dataset(class_folders(tmp_path / "set"))

    one, same, other = (
        sheet_of(tmp_path / "sheet.png", dataset, seed=seed).tobytes() for seed in (1, 1, 2)
    )

    assert one == same != other


def test_options_and_sizes_are_those_of_the_augmentation(tmp_path):
    dataset = read_dataset(class_folders(tmp_path / "set"))

    pixels = sheet_of(tmp_path / "a.png", dataset, size_hw=(60, 450), options={"noise": 90})

    assert pixels.shape[1] == (EPOCHS + 1) * (224 + 6) - 6
    with pytest.raises(UnknownName, match="no augmentation option 'noize'"):
        sheet_of(tmp_path / "a.png", dataset, options={"noize": 1})


def test_a_set_that_is_not_split_is_shown_as_well(tmp_path):
    root = class_folders(tmp_path / "set", {"train": 8}) / "train"
    whole = read_dataset(root)

    assert "train" not in whole.splits
    assert sheet_of(tmp_path / "a.png", whole).size > 0
    assert sheet_of(tmp_path / "a.png", with_validation(whole, Selection())).size > 0


def test_a_path_with_a_line_break_does_no_harm(tmp_path):
    root = class_folders(tmp_path / "set")
    for path in sorted(root.rglob("*.png")):
        path.rename(path.with_name(f"two\nlines {path.name}"))

    assert sheet_of(tmp_path / "a.png", read_dataset(root)).size > 0


def test_a_set_without_pictures_is_refused(tmp_path):
    dataset = read_dataset(class_folders(tmp_path / "set"))
    object.__setattr__(dataset, "splits", {"train": ()})

    with pytest.raises(DataError, match="the data set has no pictures to show"):
        write_contact_sheet(tmp_path / "a.png", dataset, augment="none")
