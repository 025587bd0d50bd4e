"""Runs with validation pictures enough to measure how sure the recognizer may be."""

import json
import re

import pytest
import torch

import manako
import shapes
from manako.cli.main import run as command
from manako.console.messages import set_quiet
from manako.recognizer import RecognizerSpec, evaluate_data


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "mirrored"])
def calibrated(request, tmp_path_factory):
    """Data of which a part is labelled wrongly, and a run on them."""
    folder = tmp_path_factory.mktemp("calibrated")
    data = shapes.class_folders(folder / "data", {"train": 40, "val": 40, "test": 16})
    for split, count in (("val", 8), ("test", 3)):
        for path in sorted((data / split / "red").iterdir())[:count]:
            path.rename(data / split / "blue" / path.name)
    options = {**shapes.QUICK["classification"], "steps": 40, "batch": 8, "threads": 1}
    run = manako.train(
        data, out=folder / "run", mirror=request.param, precision="float32", **options
    )
    return data, run


def test_the_saved_recognizer_scores_on_both_splits_what_the_run_reported(calibrated):
    data, run = calibrated
    loaded = manako.load(run.folder)

    assert set(loaded.spec.thresholds) == {"temperature", "unknown_below"}
    assert loaded.spec.thresholds["temperature"] != 1
    for split in ("val", "test"):
        found = evaluate_data(loaded, data, split=split).evaluation.scores
        assert found == run.metrics[split]
    assert loaded.spec.scores == run.metrics["val"].as_json()


def test_val_and_predict_agree_bit_by_bit_in_a_calibrated_recognizer(calibrated):
    data, run = calibrated
    evaluation = evaluate_data(run.recognizer, data, batch_size=4).evaluation

    predicted = run.recognizer.predict([data / name for name in evaluation.names], batch_size=4)

    for one, other in zip(evaluation.predictions, predicted, strict=True):
        assert torch.equal(one.probabilities, other.probabilities)


def test_the_temperature_makes_validation_pictures_more_likely_and_changes_no_label(calibrated):
    data, run = calibrated
    spec = run.recognizer.spec.model_copy(update={"thresholds": {}})
    plain = manako.recognizer.Recognizer(run.recognizer.model, spec)

    def likelihood(recognizer):
        found = evaluate_data(recognizer, data, split="val")
        truths = [found.data.source("val")[index].target.label for index in range(40)]
        pairs = zip(found.evaluation.predictions, truths, strict=True)
        return sum(float(one.probabilities[truth].log()) for one, truth in pairs), [
            one.label for one in found.evaluation.predictions
        ]

    (before, labels), (after, same) = likelihood(plain), likelihood(run.recognizer)

    assert after > before
    assert labels == same


def test_the_report_says_what_was_measured(calibrated):
    _, run = calibrated

    page = (run.folder / "report.html").read_text(encoding="utf-8")

    assert f"temperature {run.recognizer.spec.thresholds['temperature']:.2f}" in page


def test_the_configuration_on_the_page_is_written_for_people(calibrated):
    _, run = calibrated

    page = (run.folder / "report.html").read_text(encoding="utf-8").partition("<main>")[2]

    assert not re.search(r">(None|True|False|\{.*\}|\[.*\])<", page)
    assert re.search(r"<th[^>]*>group_by</th><td><bdi>–</bdi>", page)


def test_val_scores_what_is_answered_and_leaves_pictures_out(calibrated, tmp_path, capsys):
    data, run = calibrated
    left_out = tmp_path / "left-out.txt"
    names = sorted(one.relative_to(data) for one in (data / "test").rglob("*.png"))
    left_out.write_text(f"# unclear\n{names[0].as_posix()}\n", encoding="utf-8")
    arguments = ["val", str(run.folder), str(data), "--unknown", "--exclude", str(left_out)]

    assert command([*arguments, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["test"]
    assert command(arguments) == 0
    printed = capsys.readouterr()

    assert scores["pictures"] == 15
    assert 0 < scores["overall"]["coverage"]["value"] <= 1
    assert {"accuracy_answered", "roc_auc", "ece", "weighted_f1"} <= set(scores["overall"])
    assert scores["reliability"]
    assert "coverage" in printed.out
    assert printed.out.split()[:2] == ["score", "test"]


def test_val_refuses_unknown_where_no_threshold_was_measured(calibrated, tmp_path, capsys):
    data, run = calibrated
    spec = run.recognizer.spec.model_copy(update={"thresholds": {}})
    manako.recognizer.Recognizer(run.recognizer.model, spec).save(tmp_path / "plain")

    code = command(["val", str(tmp_path / "plain"), str(data), "--unknown"])

    assert code == 2
    assert "has no threshold for unknown pictures" in capsys.readouterr().err


def test_the_folder_says_how_its_data_were_divided(tmp_path):
    data = shapes.class_folders(tmp_path / "data", {"train": 24, "val": 8})
    options = {**shapes.QUICK["classification"], "steps": 2, "batch": 8, "threads": 1}
    run = manako.train(data, out=tmp_path / "run", fold="2/4", group_by=r"(\d+)", **options)
    text = (run.folder / "recognizer" / "recognizer.json").read_text(encoding="utf-8")

    spec = RecognizerSpec.parse(text, "recognizer.json")

    assert (spec.selection.fold, spec.selection.group_by) == ((2, 4), r"(\d+)")
    found = evaluate_data(run.recognizer, data)
    assert found.split == "val"
    assert found.evaluation.scores == run.metrics["val"]


@pytest.fixture(autouse=True)
def talkative():
    yield
    set_quiet(False)
