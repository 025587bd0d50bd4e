from PIL import Image

from manako.data.formats import read_dataset
from manako.recipes.digits import write_digits


def test_the_digits_are_a_data_set_of_1797_pictures(tmp_path):
    folder = write_digits(tmp_path / "digits")

    dataset = read_dataset(folder)

    assert dataset.classes == tuple("0123456789")
    assert {split: len(items) for split, items in dataset.splits.items()} == {
        "train": 1433,
        "test": 364,
    }


def test_writing_the_digits_again_changes_nothing(tmp_path):
    folder = write_digits(tmp_path / "digits")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}

    write_digits(folder)

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before


def test_ink_is_white_and_fills_the_grey_scale(tmp_path):
    folder = write_digits(tmp_path / "digits")

    extremes = [Image.open(path).getextrema() for path in sorted(folder.rglob("*.png"))[:50]]

    assert min(low for low, _ in extremes) == 0
    assert max(high for _, high in extremes) == 255
