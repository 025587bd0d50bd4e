"""What a user means by names, folders and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from manako.errors import DataError
from manako.runs.inputs import SIGNALS, find_inputs


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """`a.png`, `b.JPG`, `deep/er/c.png` and files that are no pictures."""
    root = tmp_path / "photos"
    for name in ["a.png", "b.JPG", "deep/er/c.png"]:
        picture(root / name)
    for name in ["notes.txt", ".hidden.png", "__MACOSX/a.png", ".git/d.png", "empty/readme.md"]:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no picture")
    return root


def names(found, root):
    return [one.relative_to(root).as_posix() for one in found]


def test_a_folder_gives_its_pictures_and_those_below(photos):
    assert names(find_inputs([photos]), photos) == ["a.png", "b.JPG", "deep/er/c.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("?.*", ["a.png", "b.JPG"]),
        ("[ab].[pJ]*", ["a.png", "b.JPG"]),
        ("**/*.png", ["a.png", "deep/er/c.png"]),
        ("*", ["a.png", "b.JPG", "deep/er/c.png"]),
        ("**", ["a.png", "b.JPG", "deep/er/c.png"]),
        ("d*", ["deep/er/c.png"]),
    ],
)
def test_a_pattern_gives_the_pictures_that_it_matches(pattern, expected, photos):
    assert sorted(names(find_inputs([photos / pattern]), photos)) == expected


def test_a_pattern_may_be_relative(photos, monkeypatch):
    monkeypatch.chdir(photos)

    assert [str(one) for one in find_inputs([Path("*.png"), Path("**/c.*")])] == [
        "a.png",
        "deep/er/c.png",
    ]


def test_a_folder_that_is_named_like_a_pattern_is_itself(photos):
    picture(photos / "odd[1]" / "x.png")
    picture(photos / "odd1" / "y.png")

    assert names(find_inputs([photos / "odd[1]" / "*.png"]), photos) == ["odd[1]/x.png"]
    assert names(find_inputs([photos / "odd[0-9]" / "*.png"]), photos) == ["odd1/y.png"]


def test_a_step_up_after_a_wildcard_is_no_hidden_name(photos):
    found = find_inputs([photos / "d*" / ".." / "a.png"])

    assert names(found, photos) == ["deep/../a.png"]


@pytest.mark.parametrize("name", ["n" * 300, "n" * 300 + "*", "n" * 300 + "/*.png"])
def test_a_name_longer_than_any_file_has_is_refused(name, photos):
    with pytest.raises(DataError, match=r"cannot look at|matches no picture"):
        find_inputs([photos / name])


def test_a_file_is_taken_as_it_is_whatever_its_name(photos):
    odd = picture(photos / "x[1].png").rename(photos / "x[1]")

    assert find_inputs([odd, photos / "notes.txt"]) == [odd, photos / "notes.txt"]


def test_a_picture_that_is_named_twice_is_found_once(photos, monkeypatch):
    monkeypatch.chdir(photos)

    found = find_inputs([photos / "a.png", Path("a.png"), photos / "deep" / ".." / "a.png", photos])

    assert found == [photos / "a.png", photos / "b.JPG", photos / "deep/er/c.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.png", r"there is no file .*no\.png"),
        ("*.tif", r"the pattern .*\*\.tif matches no picture"),
        ("empty", "the folder .*empty has no picture in it or below"),
        ("empty/*", r"the pattern .*empty/\* matches no picture"),
    ],
)
def test_an_input_without_a_picture_is_named(name, message, photos):
    with pytest.raises(DataError, match=message):
        find_inputs([photos / "a.png", photos / name])


def test_signals_are_files_series_of_a_file_and_folders_of_slices(photos):
    (photos / "Two_TEST.ts").write_text("@classLabel true a b\n@data\n1,2:a\n3,4:b\n")
    both = [photos / "Two_TEST.ts#0", photos / "Two_TEST.ts#1"]
    assert find_inputs([photos], SIGNALS) == both
    assert find_inputs([photos / "*.ts"], SIGNALS) == both
    assert find_inputs([photos / "Two_TEST.ts#1", photos / "Two_TEST.ts"], SIGNALS) == both[::-1]
    assert find_inputs([photos / "deep"], SIGNALS) == [photos / "deep" / "er"]
    assert find_inputs([photos / "d*"], SIGNALS) == [photos / "deep" / "er"]
    (photos / "clip.ts").write_bytes(b"G@ no series")
    assert find_inputs([photos], SIGNALS) == [*both, photos / "clip.ts"]
    with pytest.raises(DataError, match=r"there is no file .*One\.ts#1"):
        find_inputs([photos / "One.ts#1"], SIGNALS)
    with pytest.raises(DataError, match=r"the folder .*empty has no signal in it or below"):
        find_inputs([photos / "empty"], SIGNALS)
