"""What the end of a run looks like in a terminal and in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from manako.cli.results import MOST_CLASSES, show_run
from manako.structures import ReliabilityBin, Score, Scores


def finished(classes=2, splits=("val", "test")):
    overall = {
        "accuracy": Score(0.9, 0.85, 0.95),
        "top5_accuracy": Score(0.99),
        "roc_auc": Score(0.97),
        "ece": Score(0.04, 0.03, 0.05),
    }
    per_class = {f"class {index}": {"f1": Score(0.5)} for index in range(classes)}
    reliability = (ReliabilityBin(0.5, 1.0, 10, 0.8, 0.9),)
    scores = Scores("accuracy", overall, per_class, None, 10, reliability)
    spec = SimpleNamespace(thresholds={"temperature": 1.25, "unknown_below": 0.5})
    return SimpleNamespace(
        folder=Path("runs/x"),
        seconds=65.0,
        metrics=dict.fromkeys(splits, scores),
        recognizer=SimpleNamespace(spec=spec),
    )


def test_a_run_ends_with_one_table_of_its_splits_and_one_of_its_classes(capsys):
    show_run(finished(), json=False)

    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[0] == ["score", "val", "95", "%", "interval", "test", "95", "%", "interval"]
    assert lines[1] == ["accuracy", *["0.900", "0.850", "to", "0.950"] * 2]
    assert [line[0] for line in lines[2:5]] == ["top-5", "ROC", "ECE"]
    assert lines[5:] == [
        ["class", "on", "test", "F1"], ["class", "0", "0.500"], ["class", "1", "0.500"]
    ]  # fmt: skip
    assert "report: runs/x/report.html" in printed.err


@pytest.mark.parametrize(("count", "told"), [(MOST_CLASSES, True), (MOST_CLASSES + 1, False)])
def test_many_classes_are_left_to_the_report(count, told, capsys):
    show_run(finished(count, ("val",)), json=False)

    assert ("class 0" in capsys.readouterr().out) == told


def test_json_has_everything(capsys):
    run = finished(100)

    show_run(run, json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed["thresholds"] == {"temperature": 1.25, "unknown_below": 0.5}
    assert printed["folder"] == "runs/x"
    assert Scores.from_json(printed["scores"]["test"]) == run.metrics["test"]
