from __future__ import annotations

import csv
import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import UnknownName, UsageError
from manako.reports.predictions_csv import guarded, unguarded, write_predictions
from manako.structures import (
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
)

ODD = [
    'a "quoted", b',
    "line\nbreak",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "'x",
    "猫",
    "\tt",
    "",
]


def read(path):
    text = path.read_bytes().decode("utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_classes_come_back_with_their_probability(tmp_path):
    rows = [
        (name, ClassTarget(index), ClassPrediction(torch.eye(len(ODD))[index] * 0.625))
        for index, name in enumerate(ODD)
    ]

    write_predictions(tmp_path / "p.csv", rows, "classification", ODD)

    header, *lines = read(tmp_path / "p.csv")
    assert header == ["path", "truth", "predicted", "probability"]
    plain = [[unguarded(value) for value in line[:3]] for line in lines]
    assert plain == [[name, name, name] for name in ODD]
    assert {line[3] for line in lines} == {"0.625000"}


def test_an_unknown_truth_is_an_empty_cell(tmp_path):
    rows = [("a.png", None, ClassPrediction(torch.tensor([0.25, 0.75])))]

    write_predictions(tmp_path / "p.csv", rows, "classification", ["cat", "dog"])

    assert read(tmp_path / "p.csv")[1] == ["a.png", "", "dog", "0.750000"]


def test_several_labels_stand_in_one_cell_beside_the_probability_of_each(tmp_path):
    rows = [
        ("a.png", LabelsTarget((0, 2)), LabelsPrediction(torch.tensor([0.25, 0.75, 0.5]))),
        ("=b.png", LabelsTarget(()), LabelsPrediction(torch.tensor([0.25, 0.25, 0.25]))),
        ("c.png", None, LabelsPrediction(torch.tensor([1.0, 0.0, 0.0]))),
    ]

    write_predictions(tmp_path / "p.csv", rows, "multilabel", ["=cat", "dog", "owl"])

    assert read(tmp_path / "p.csv") == [
        [
            "path",
            "truth",
            "predicted",
            *(f"probability of {one}" for one in ["=cat", "dog", "owl"]),
        ],
        ["a.png", "'=cat|owl", "dog|owl", "0.250000", "0.750000", "0.500000"],
        ["'=b.png", "", "", "0.250000", "0.250000", "0.250000"],
        ["c.png", "", "'=cat", "1.000000", "0.000000", "0.000000"],
    ]


def test_each_box_has_a_line(tmp_path):
    boxes = torch.tensor([[1.0, 2.5, 30, 40], [0, 0, 5, 6.125]])
    found = Detections(boxes, torch.tensor([0.75, 0.5]), torch.tensor([1, 0]))
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))

    write_predictions(
        tmp_path / "p.csv",
        [("a.png", None, found), ("b.png", None, nothing)],
        "detection",
        ["cat", "-dog"],
    )

    assert read(tmp_path / "p.csv") == [
        ["path", "class", "score", "xmin", "ymin", "xmax", "ymax"],
        ["a.png", "'-dog", "0.750000", "1.00", "2.50", "30.00", "40.00"],
        ["a.png", "cat", "0.500000", "0.00", "0.00", "5.00", "6.12"],
    ]


def test_pixels_are_counted_and_compared_where_the_truth_is_known(tmp_path):
    found = LabelMap(torch.tensor([[0, 0, 1], [2, 2, 2]], dtype=torch.uint8))
    truth = MaskTarget(torch.tensor([[0, 1, 1], [2, 255, 255]], dtype=torch.uint8))
    unknown = MaskTarget(torch.full((2, 3), 255, dtype=torch.uint8))
    rows = [("a.png", truth, found), ("b.png", None, found), ("c.png", unknown, found)]

    write_predictions(tmp_path / "p.csv", rows, "segmentation", ["sky", "path", "=car"])

    assert read(tmp_path / "p.csv") == [
        ["path", "pixel_accuracy", "pixels of sky", "pixels of path", "pixels of =car"],
        ["a.png", "0.750000", "2", "1", "3"],
        ["b.png", "", "2", "1", "3"],
        ["c.png", "", "2", "1", "3"],
    ]


def test_lines_end_as_rfc_4180_says_and_empty_tables_keep_their_header(tmp_path):
    write_predictions(tmp_path / "p.csv", [], "detection", ["cat"])

    assert (tmp_path / "p.csv").read_bytes() == b"path,class,score,xmin,ymin,xmax,ymax\r\n"


def test_bytes_of_a_name_that_are_no_text_are_written_as_escapes(tmp_path):
    rows = [("a\udcff.png", None, ClassPrediction(torch.tensor([1.0])))]

    write_predictions(tmp_path / "p.csv", rows, "classification", ["cat"])

    assert read(tmp_path / "p.csv")[1][0] == "a\\udcff.png"


@given(st.text())
def test_guarding_can_be_undone_and_leaves_no_formula(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("task", ["classification", "multilabel", "detection", "segmentation"])
def test_a_prediction_of_another_task_is_refused_and_nothing_is_written(task, tmp_path):
    other = {
        "classification": LabelMap(torch.zeros(2, 2, dtype=torch.uint8)),
        "multilabel": ClassPrediction(torch.tensor([1.0])),
        "detection": ClassPrediction(torch.tensor([1.0])),
        "segmentation": ClassPrediction(torch.tensor([1.0])),
    }

    with pytest.raises(UsageError, match=rf"a\.png: a \w+ is no prediction of {task}"):
        write_predictions(tmp_path / "p.csv", [("a.png", None, other[task])], task, ["cat"])

    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_is_refused(tmp_path):
    with pytest.raises(UnknownName, match="no task 'pose'"):
        write_predictions(tmp_path / "p.csv", [], "pose", ["cat"])
