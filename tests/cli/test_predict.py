"""`manako predict` as it is typed."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from manako.cli.main import run
from manako.console.messages import set_quiet
from manako.models.zoo import create_model
from manako.recognizer import Recognizer, RecognizerSpec
from manako.training.precision import seeded


@pytest.fixture(autouse=True)
def talkative():
    yield
    set_quiet(False)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a recognizer that takes every picture for unknown, where asked."""
    spec = RecognizerSpec(
        manako_version="0", task="classification", model="lenet5", classes=("cat", "dog", "owl"),
        size_hw=(28, 28), rule="stretch", colour_order="rgb", mean=(0.5,) * 3, std=(0.25,) * 3,
        thresholds={"unknown_below": 0.999},
    )  # fmt: skip
    with seeded(3):
        model = create_model("lenet5", num_classes=3, in_channels=3)
    folder = tmp_path_factory.mktemp("saved") / "recognizer"
    Recognizer(model, spec).save(folder)
    return str(folder)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.png", "deep/c.png"]):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def printed_json(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_quoted_pattern_is_expanded_and_no_picture_comes_twice(saved, photos, capsys):
    assert run(["predict", saved, f"{photos}/**/*.png", str(photos / "a.png"), "--json"]) == 0

    found = [one["picture"] for one in printed_json(capsys)]
    assert found == [str(photos / name) for name in ("a.png", "b.png", "deep/c.png")]


def test_the_table_has_a_line_for_each_picture(saved, photos, capsys):
    assert run(["predict", saved, str(photos), "--top", "2"]) == 0

    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["picture", "found"]
    assert len(lines) == 3
    assert all(line.count("(0.") == 2 for line in lines)


def test_the_unknown_are_called_so(saved, photos, capsys):
    assert run(["predict", saved, str(photos / "a.png"), "--unknown"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert run(["predict", saved, str(photos / "a.png"), "--unknown", "--json"]) == 0
    (answer,) = printed_json(capsys)

    assert f"unknown (best guess {answer['class']} {answer['probability']:.2f})" in line
    assert answer["unknown"] is True


def test_the_answers_go_to_a_csv_file(saved, photos, tmp_path, capsys):
    table = tmp_path / "answers.csv"

    assert run(["predict", saved, str(photos), "--csv", str(table), "--json"]) == 0

    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"), newline="")))
    said = [(one["picture"], one["class"]) for one in printed_json(capsys)]
    assert [(row["path"], row["predicted"]) for row in rows] == said


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_an_unreadable_picture_is_named_the_others_are_answered(
    quiet, saved, photos, tmp_path, capsys
):
    (photos / "b.png").write_bytes(b"no picture at all")
    out = tmp_path / "out"

    code = run(["predict", saved, str(photos), "--json", "--out", str(out), *quiet])

    printed = capsys.readouterr()
    answers = json.loads(printed.out)
    assert code == 3
    assert [set(one) == {"picture", "error"} for one in answers] == [False, True, False]
    assert "1 of 3 pictures could not be read" in printed.err
    assert f"warning: {photos / 'b.png'}" in printed.err
    assert {one.name for one in out.iterdir()} == {"1-a.png", "3-c.png", "predictions.csv"}


@pytest.mark.parametrize(
    ("inputs", "code", "message"),
    [
        (["*.tif"], 3, "the pattern *.tif matches no picture"),
        (["nothing.png"], 3, "there is no file nothing.png"),
        (["deep/empty"], 3, "the folder deep/empty has no picture in it or below"),
        (["a.png", "--out", "deep"], 2, "deep exists"),
        (["a.png", "--csv", "deep"], 2, "deep is a folder"),
        (["a.png", "--csv", "b.png/a.csv"], 2, "b.png/a.csv cannot be written: a part of the path"),
        (["a.png", "--out", "b.png/x"], 2, "b.png/x cannot be written: a part of the path"),
        (["a.png", "--out", "n" * 300], 2, "cannot be written: the name is too long"),
        (["n" * 300], 3, "File name too long"),
        (["a.png", "--top", "0"], 2, "--top"),
        (["a.png", "--score", "2"], 2, "--score"),
    ],
)
def test_a_mistake_ends_with_its_code_and_writes_nothing(
    inputs, code, message, saved, photos, capsys, monkeypatch
):
    monkeypatch.chdir(photos)
    (photos / "deep" / "empty").mkdir()
    before = sorted(photos.rglob("*"))

    assert run(["predict", saved, *inputs]) == code

    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert sorted(photos.rglob("*")) == before


def test_names_that_could_drive_a_terminal_are_shown_harmless(saved, photos, capsys):
    odd = photos / "a\x1b[31m.png"
    (photos / "a.png").rename(odd)

    assert run(["predict", saved, str(odd)]) == 0

    assert "\x1b" not in capsys.readouterr().out
