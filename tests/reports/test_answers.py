from __future__ import annotations

import csv
import io

import pytest
import torch

from manako.reports.answers import Wanted, describe, in_words, write_answers
from manako.structures import ClassPrediction, Detections, LabelMap, LabelsPrediction

CLASSES = ("cat", "=dog", "owl|s")
SURE = ClassPrediction(torch.tensor([0.25, 0.625, 0.125]))
LABELS = LabelsPrediction(torch.tensor([0.75, 0.25, 0.5]))
BOXES = Detections(
    torch.tensor([[1.0, 2.5, 30, 40], [0, 0, 5, 6.125]]),
    torch.tensor([0.75, 0.25]),
    torch.tensor([1, 0]),
)
MAP = LabelMap(torch.tensor([[0, 0, 1], [0, 1, 0]], dtype=torch.uint8))
BAD = {"picture": "bad.png", "error": "@bad.png is cut off"}


def read(path):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


def written(path, answers, task, wanted=None):
    write_answers(path, answers, task, CLASSES, wanted or Wanted())
    return read(path)


@pytest.mark.parametrize(
    ("prediction", "wanted", "unknown", "words"),
    [
        (SURE, Wanted(), False, "=dog (0.625)"),
        (SURE, Wanted(top=2), False, "=dog (0.625), cat (0.250)"),
        (SURE, Wanted(top=9), False, "=dog (0.625), cat (0.250), owl|s (0.125)"),
        (SURE, Wanted(unknown=True), False, "=dog (0.625)"),
        (SURE, Wanted(unknown=True), True, "unknown (best guess =dog 0.62)"),
        (SURE, Wanted(top=2, unknown=True), True, "unknown (best guesses =dog 0.62, cat 0.25)"),
        (LABELS, Wanted(), False, "cat 0.75, owl|s 0.50"),
        (LabelsPrediction(LABELS.probabilities / 4), Wanted(), False,
         "nothing (most likely cat 0.19)"),
        (BOXES, Wanted(), False, "=dog 0.75"),
        (BOXES, Wanted(least_score=0.1), False, "=dog 0.75, cat 0.25"),
        (BOXES, Wanted(least_score=0.9), False, "nothing"),
        (MAP, Wanted(), False, "cat 67 %, =dog 33 %"),
    ],
)  # fmt: skip
def test_every_answer_is_a_line_of_words(prediction, wanted, unknown, words):
    assert in_words(describe("a.png", prediction, CLASSES, wanted, unknown)) == words


def test_an_unreadable_picture_is_said_to_be_one():
    assert in_words(BAD) == "could not be read"


def test_an_answer_tells_all_probabilities_and_what_was_asked_for():
    plain = describe("a.png", SURE, CLASSES, Wanted())
    more = describe("a.png", SURE, CLASSES, Wanted(top=2, unknown=True), is_unknown=True)

    assert plain == {
        "picture": "a.png",
        "class": "=dog",
        "probability": 0.625,
        "probabilities": {"cat": 0.25, "=dog": 0.625, "owl|s": 0.125},
    }
    assert more == {
        **plain,
        "top": [{"class": "=dog", "probability": 0.625}, {"class": "cat", "probability": 0.25}],
        "unknown": True,
    }


def test_equal_probabilities_are_listed_by_class():
    even = ClassPrediction(torch.tensor([0.25, 0.375, 0.375]))

    answer = describe("a.png", even, CLASSES, Wanted(top=3))

    assert [one["class"] for one in answer["top"]] == ["=dog", "owl|s", "cat"]
    assert answer["class"] == "=dog"


def test_classes_stand_in_the_table_beside_each_other_and_no_cell_is_a_formula(tmp_path):
    wanted = Wanted(top=2, unknown=True)
    answers = [describe("-a.png", SURE, CLASSES, wanted, is_unknown=True), BAD]

    assert written(tmp_path / "p.csv", answers, "classification", wanted) == [
        ["path", "predicted", "probability", "predicted 2", "probability 2", "unknown", "error"],
        ["'-a.png", "'=dog", "0.625000", "cat", "0.250000", "true", ""],
        ["bad.png", "", "", "", "", "", "'@bad.png is cut off"],
    ]


def test_more_classes_than_there_are_make_no_empty_columns(tmp_path):
    wanted = Wanted(top=9)

    header, line = written(
        tmp_path / "p.csv", [describe("a", SURE, CLASSES, wanted)], "classification", wanted
    )

    assert len(header) == len(line) == 1 + 2 * 3 + 1


def test_labels_stand_in_one_cell_beside_every_probability(tmp_path):
    assert written(
        tmp_path / "p.csv", [describe("a", LABELS, CLASSES, Wanted())], "multilabel"
    ) == [
        ["path", "predicted", *(f"probability of {name}" for name in CLASSES), "error"],
        ["a", "cat|owl|s", "0.750000", "0.250000", "0.500000", ""],
    ]


def test_boxes_have_lines_and_pixels_have_columns(tmp_path):
    boxes = written(tmp_path / "b.csv", [describe("a", BOXES, CLASSES, Wanted()), BAD], "detection")
    pixels = written(tmp_path / "m.csv", [describe("a", MAP, CLASSES, Wanted())], "segmentation")

    assert boxes[1:] == [
        ["a", "'=dog", "0.750000", "1.00", "2.50", "30.00", "40.00", ""],
        ["bad.png", *[""] * 6, "'@bad.png is cut off"],
    ]
    assert pixels == [
        ["path", *(f"pixels of {name}" for name in CLASSES), "error"],
        ["a", "4", "2", "0", ""],
    ]
