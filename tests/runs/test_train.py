"""Whole runs over the three tasks, on little data sets."""

import json
import os
import signal
import threading

import pytest
import torch

import manako
import shapes
from manako.config import Resolved
from manako.errors import ArtefactError, BusyError, DataError, Stopped, UsageError
from manako.runs import Run, validate_recognizer
from manako.storage import FolderLock
from manako.structures import ClassPrediction, Detections
from manako.training import loop


def train(task, data, out, **options) -> Run:
    plain = {**shapes.QUICK[task], "steps": 6, "batch": 8, "threads": 1, "precision": "float32"}
    return manako.train(data, out=out, **{**plain, **options})


@pytest.fixture(scope="module", params=list(shapes.MAKERS))
def finished(request, tmp_path_factory):
    """Task, data and finished run."""
    folder = tmp_path_factory.mktemp(request.param)
    data = shapes.MAKERS[request.param](folder / "data")
    steps = {"classification": 40, "detection": 40, "segmentation": 30}[request.param]
    return request.param, data, train(request.param, data, folder / "run", steps=steps)


def test_a_run_learns_the_task(finished):
    task, _, run = finished

    assert run.recognizer.spec.task == task
    assert run.metrics["test"].main.value > 0.6


def test_a_run_leaves_everything_in_its_folder(finished):
    _, _, run = finished

    assert {one.name for one in run.folder.iterdir()} == {
        ".lock",
        "checkpoints",
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "predictions.csv",
        "recognizer",
        "report.html",
        "run.json",
        "scores.json",
    }
    saved = json.loads((run.folder / "scores.json").read_text(encoding="utf-8"))
    assert saved["scores"]["test"] == run.metrics["test"].as_json()


def test_the_loaded_recognizer_scores_what_the_run_reported(finished):
    _, data, run = finished
    loaded = manako.load(run.folder)

    split, evaluation = validate_recognizer(loaded, data)

    assert split == "test"
    assert evaluation.scores == run.metrics["test"]


def parts(prediction):
    if isinstance(prediction, ClassPrediction):
        return [prediction.probabilities]
    if isinstance(prediction, Detections):
        return [prediction.boxes_xyxy, prediction.scores, prediction.labels]
    return [prediction.mask]


def test_val_and_predict_agree_bit_by_bit(finished):
    _, data, run = finished
    _, evaluation = validate_recognizer(run.recognizer, data, split="test", batch_size=4)

    predicted = run.recognizer.predict([data / name for name in evaluation.names], batch_size=4)

    for one, other in zip(evaluation.predictions, predicted, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(parts(one), parts(other), strict=True))


def test_a_complete_run_is_given_back_as_it_is(finished):
    _, _, run = finished
    before = (run.folder / "recognizer" / "MANIFEST").read_bytes()

    again = manako.resume(run.folder)

    assert again.metrics == run.metrics
    assert (run.folder / "recognizer" / "MANIFEST").read_bytes() == before


def test_an_existing_run_folder_is_never_overwritten(finished):
    task, data, run = finished

    with pytest.raises(UsageError, match=r"run folder .* exists[\s\S]*manako resume"):
        train(task, data, run.folder)


@pytest.fixture
def folders(tmp_path):
    return shapes.class_folders(tmp_path / "data")


def test_a_stopped_run_resumes_to_the_same_bits(folders, tmp_path, monkeypatch):
    whole = train("classification", folders, tmp_path / "whole", steps=10)
    real = loop.learn

    def stop_at_four(network, batch, state, parts):
        if state.progress.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(network, batch, state, parts)

    monkeypatch.setattr(loop, "learn", stop_at_four)
    with pytest.raises(Stopped, match=r"after step 5; the state is saved[\s\S]*manako resume"):
        train("classification", folders, tmp_path / "parts", steps=10)
    monkeypatch.setattr(loop, "learn", real)
    resumed = manako.resume(tmp_path / "parts")

    manifests = [(run.folder / "recognizer" / "MANIFEST").read_bytes() for run in (whole, resumed)]
    assert manifests[0] == manifests[1]


def test_a_run_that_was_killed_before_it_began_can_be_begun_again(folders, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()

    run = train("classification", folders, tmp_path / "run")

    assert run.folder == tmp_path / "run"


def test_resume_refuses_data_that_have_changed(folders, tmp_path):
    run = train("classification", folders, tmp_path / "run")
    (run.folder / "scores.json").unlink()
    next((folders / "train" / "red").iterdir()).rename(folders / "train" / "blue" / "moved.png")

    with pytest.raises(ArtefactError, match="are not those that the run began with"):
        manako.resume(run.folder)


def test_resume_refuses_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a run"):
        manako.resume(tmp_path)


def test_two_processes_never_share_a_run(folders, tmp_path):
    run = train("classification", folders, tmp_path / "run")
    (run.folder / "scores.json").unlink()
    refused = []

    def second():
        try:
            manako.resume(run.folder)
        except BusyError as error:
            refused.append(str(error))

    with FolderLock(run.folder):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    assert "is in use" in refused[0]


def test_settings_say_where_they_came_from(folders, tmp_path):
    run = train("classification", folders, tmp_path / "run", lr=0.125)

    resolved = Resolved.load(run.folder / "config.yaml")

    assert resolved.settings.lr == 0.125
    assert resolved.origins["lr"] == "asked"
    assert resolved.origins["optimizer"] == "recipe of quick32"
    assert resolved.origins["channels"] == "the pictures show colours"


def test_a_budget_decides_the_number_of_steps(folders, tmp_path, capsys):
    run = train("classification", folders, tmp_path / "run", steps=None, budget_seconds=6.0)

    assert run.settings.steps >= 10
    assert run.settings.budget_seconds == 6.0
    assert f"budget: {run.settings.steps} steps of 8 pictures" in capsys.readouterr().err


def test_a_budget_too_short_for_ten_steps_is_refused(folders, tmp_path):
    with pytest.raises(UsageError, match=r"the budget leaves .* for training, and one step of 8"):
        train("classification", folders, tmp_path / "run", steps=None, budget_seconds=0.01)

    assert not (tmp_path / "run").exists()


def test_weights_of_a_recognizer_go_on_by_class_name(folders, tmp_path, capsys):
    first = train("classification", folders, tmp_path / "first", steps=20)

    second = train(
        "classification", folders, tmp_path / "second", steps=1, lr=1e-6,
        weights=str(first.folder / "recognizer"),
    )  # fmt: skip

    assert second.metrics["test"].main.value == pytest.approx(first.metrics["test"].main.value)
    assert "tensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "detection"}, "the data are for classification, not for detection"),
        ({"model": "unet_bn", "model_options": {}}, "unet_bn is a model for segmentation"),
        ({"epochs": 1.0}, "the length of a run is given more than once"),
        ({"model": "lenet5", "model_options": {}, "size_hw": (40, 40)}, "lenet5 takes pictures of"),
        ({"model": "quick33"}, "no model 'quick33'; did you mean 'quick32'"),
        ({"model_options": {"wdth": 3}}, "wdth"),
        ({"augment": "none", "rule": "crap"}, "rule cannot be 'crap'"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(
    folders, tmp_path, options, message
):
    with pytest.raises(UsageError, match=message):
        train("classification", folders, tmp_path / "run", **options)

    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("detection", {"mirror": True}, "mirrored pictures is not defined for detection"),
        ("detection", {"rule": "crop"}, "cropped pictures would lose objects"),
        ("segmentation", {"label_smoothing": 0.1}, "label smoothing is for classification"),
        ("segmentation", {"size_hw": (60, 64)}, "multiples of 8, not 60x64"),
        ("segmentation", {"rule": "crop"}, "cropped pictures would lose pixels"),
    ],
)
def test_settings_that_do_not_suit_the_task_are_refused(tmp_path, task, options, message):
    data = shapes.MAKERS[task](tmp_path / "data")

    with pytest.raises(UsageError, match=message):
        train(task, data, tmp_path / "run", **options)


def test_val_refuses_data_of_another_kind(finished, tmp_path):
    task, _, run = finished
    other = "segmentation" if task == "classification" else "classification"
    data = shapes.MAKERS[other](tmp_path / "other")

    with pytest.raises(DataError):
        validate_recognizer(run.recognizer, data)


def test_val_matches_classes_by_name_when_one_is_missing(finished):
    task, data, run = finished
    if task != "classification":
        pytest.skip("class folders are what can lack a class as a whole")
    lacking = data.parent / "lacking"
    for path in sorted((data / "test" / "red").iterdir()):
        copy = lacking / "test" / "red" / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (lacking / "train").mkdir()
    for name in ("red", "blue"):
        source = next(iter(sorted((data / "train" / name).iterdir())))
        (lacking / "train" / name).mkdir()
        (lacking / "train" / name / source.name).write_bytes(source.read_bytes())

    _, evaluation = validate_recognizer(run.recognizer, lacking, split="test")

    assert set(evaluation.scores.per_class) >= {"red"}
    red = run.recognizer.classes.index("red")
    expected = [
        prediction
        for name, prediction in zip(evaluation.names, evaluation.predictions, strict=True)
    ]
    assert sum(one.label == red for one in expected) / len(expected) == pytest.approx(
        evaluation.scores.main.value
    )


def test_val_refuses_a_class_that_the_recognizer_does_not_know(finished, tmp_path):
    task, _, run = finished
    if task != "classification":
        pytest.skip("shown once, for class folders")
    data = shapes.class_folders(tmp_path / "data")
    (data / "test" / "red").rename(data / "test" / "pink")
    (data / "train" / "red").rename(data / "train" / "pink")
    (data / "val" / "red").rename(data / "val" / "pink")

    with pytest.raises(DataError, match="pink"):
        validate_recognizer(run.recognizer, data)
