"""A user's pictures are answered although some cannot be read."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from manako.console import progress, set_quiet
from manako.errors import UsageError
from manako.models.zoo import create_model
from manako.recognizer import Recognizer, RecognizerSpec
from manako.reports.answers import Wanted
from manako.runs.predict import predict_pictures
from manako.training.precision import seeded


def recognizer(task="classification", classes=("cat", "dog", "owl"), **changes):
    model = "unet_bn" if task == "segmentation" else "lenet5"
    options = {"width": 8} if task == "segmentation" else {}
    spec = RecognizerSpec(
        manako_version="0", task=task, model=model, classes=classes, size_hw=(28, 28),
        rule="stretch", colour_order="rgb", mean=(0.5,) * 3, std=(0.25,) * 3, **changes,
    )  # fmt: skip
    with seeded(3):
        return Recognizer(
            create_model(model, num_classes=len(classes), in_channels=3, **options), spec
        )


def picture(path, number=0, size=(30, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def damaged(tmp_path, count=7):
    """Pictures 0..count-1, of which 2 is cut off and 5 is text."""
    paths = [picture(tmp_path / f"{number}.png", number) for number in range(count)]
    paths[2].write_bytes(paths[2].read_bytes()[:60])
    paths[5].write_text("no picture", encoding="utf-8")
    return paths


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_unreadable_pictures_are_named_and_change_no_other_answer(batch_size, tmp_path, capsys):
    paths, known = damaged(tmp_path), recognizer()
    good = [path for number, path in enumerate(paths) if number not in (2, 5)]

    answers = predict_pictures(known, paths, batch_size=batch_size)
    alone = predict_pictures(known, good, batch_size=batch_size)

    assert [one["picture"] for one in answers] == [str(path) for path in paths]
    assert [one for one in answers if "error" not in one] == alone
    assert [set(answers[number]) for number in (2, 5)] == [{"picture", "error"}] * 2
    warned = capsys.readouterr().err
    assert f"warning: {paths[2]}" in warned
    assert str(paths[5]) in warned


def test_the_answers_are_those_of_the_recognizer(tmp_path):
    paths, known = (
        [picture(tmp_path / f"{number}.png", number) for number in range(5)],
        recognizer(),
    )

    answers = predict_pictures(known, paths, batch_size=2)

    for answer, prediction in zip(answers, known.predict(paths, batch_size=2), strict=True):
        assert list(answer["probabilities"].values()) == prediction.probabilities.tolist()


def test_the_table_holds_every_picture_and_the_reason_where_there_is_no_answer(tmp_path):
    paths = damaged(tmp_path / "in")

    predict_pictures(recognizer(), paths, batch_size=4, csv=tmp_path / "new" / "p.csv")

    table = rows(tmp_path / "new" / "p.csv")
    assert [row["path"] for row in table] == [str(path) for path in paths]
    assert [bool(row["error"]) for row in table] == [bool(row["predicted"] == "") for row in table]
    assert [number for number, row in enumerate(table) if row["error"]] == [2, 5]


def test_drawings_and_table_come_in_one_folder(tmp_path):
    paths = [
        *damaged(tmp_path / "in"),
        picture(tmp_path / "in" / f"{'x' * 200}.png", 8, (1500, 40)),
    ]
    out = tmp_path / "deep" / "out"

    predict_pictures(recognizer(), paths, batch_size=3, out=out)

    assert sorted(one.name for one in out.iterdir()) == [
        "1-0.png", "2-1.png", "4-3.png", "5-4.png", "7-6.png", f"8-{'x' * 60}.jpg",
        "predictions.csv",
    ]  # fmt: skip
    assert len(rows(out / "predictions.csv")) == 8
    assert [one.name for one in out.parent.iterdir()] == ["out"]


def test_an_error_on_the_way_leaves_no_folder(tmp_path):
    known = recognizer()
    with torch.no_grad():
        next(known.model.parameters()).fill_(float("nan"))

    with pytest.raises(Exception, match="not a finite number"):
        predict_pictures(known, [picture(tmp_path / "a.png")], batch_size=1, out=tmp_path / "out")

    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]


def test_a_place_that_is_taken_is_refused_before_anything_is_read(tmp_path):
    nothing = [tmp_path / "not there.png"]
    with pytest.raises(UsageError, match="exists"):
        predict_pictures(recognizer(), nothing, batch_size=1, out=tmp_path)
    with pytest.raises(UsageError, match="is a folder"):
        predict_pictures(recognizer(), nothing, batch_size=1, csv=tmp_path)


def test_the_unknown_are_told_where_a_threshold_is_stored(tmp_path):
    paths = [picture(tmp_path / "in" / f"{number}.png", number) for number in range(3)]
    known = recognizer(thresholds={"unknown_below": 0.999})

    told = predict_pictures(known, paths, batch_size=3, wanted=Wanted(unknown=True),
                            csv=tmp_path / "p.csv", out=tmp_path / "out")  # fmt: skip
    silent = predict_pictures(known, paths, batch_size=3)

    assert [one["unknown"] for one in told] == [True] * 3
    assert [row["unknown"] for row in rows(tmp_path / "p.csv")] == ["true"] * 3
    assert [one["class"] for one in told] == [one["class"] for one in silent]
    assert all("unknown" not in one for one in silent)


def test_the_unknown_are_refused_where_no_threshold_is_stored(tmp_path):
    with pytest.raises(UsageError, match="no threshold for unknown pictures"):
        predict_pictures(recognizer(), [], batch_size=1, wanted=Wanted(unknown=True))


def test_several_classes_are_listed_by_a_classifier_only(tmp_path):
    path = picture(tmp_path / "a.png")

    (answer,) = predict_pictures(recognizer(), [path], batch_size=1, wanted=Wanted(top=2))

    assert len(answer["top"]) == 2
    assert answer["top"][0]["class"] == answer["class"]
    with pytest.raises(UsageError, match="not for segmentation"):
        predict_pictures(recognizer("segmentation"), [], batch_size=1, wanted=Wanted(top=2))


def test_several_labels_come_in_every_form(tmp_path):
    path = picture(tmp_path / "a.png")
    known = recognizer("multilabel", ("cat", "dog", "-owl"))

    (answer,) = predict_pictures(
        known, [path], batch_size=1, csv=tmp_path / "p.csv", out=tmp_path / "out"
    )

    assert answer["labels"] == [name for name, p in answer["probabilities"].items() if p >= 0.5]
    assert list(rows(tmp_path / "p.csv")[0]) == [
        "path", "predicted", *(f"probability of {name}" for name in known.classes), "error"
    ]  # fmt: skip
    assert (tmp_path / "out" / "1-a.png").is_file()


# ---------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("quiet", "terminal"), [(False, True), (True, True), (False, False)])
def test_the_bar_is_for_those_who_watch(quiet, terminal, tmp_path, monkeypatch):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr", stream)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    set_quiet(quiet)
    try:
        predict_pictures(recognizer(), [picture(tmp_path / "a.png")], batch_size=1)
    finally:
        set_quiet(False)

    assert ("predicting" in stream.getvalue()) == (terminal and not quiet)
    assert bool(stream.getvalue()) == (terminal and not quiet)
