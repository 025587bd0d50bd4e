"""Whole runs over the three tasks, on little data sets."""

import json
import os
import shutil
import signal
import threading

import pytest
import torch

import manako
import shapes
from manako.config import Resolved
from manako.errors import ArtefactError, BusyError, DataError, Stopped, UsageError
from manako.recognizer import evaluate_data
from manako.runs import Run, start
from manako.storage import FolderLock
from manako.structures import ClassPrediction, Detections
from manako.training import loop


def train(kind, data, out, **options) -> Run:
    plain = {**shapes.QUICK[kind], "steps": 6, "batch": 8, "threads": 1, "precision": "float32"}
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

    found = evaluate_data(loaded, data)

    assert found.split == "test"
    assert found.evaluation.scores == run.metrics["test"] == loaded.evaluate(data)


def parts(prediction):
    if isinstance(prediction, ClassPrediction):
        return [prediction.probabilities]
    if isinstance(prediction, Detections):
        return [prediction.boxes_xyxy, prediction.scores, prediction.labels]
    return [prediction.mask]


def test_val_and_predict_agree_bit_by_bit(finished):
    _, data, run = finished
    evaluation = evaluate_data(run.recognizer, data, split="test", batch_size=4).evaluation

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
    (tmp_path / "run" / "config.yaml").touch()

    run = train("classification", folders, tmp_path / "run")

    assert run.folder == tmp_path / "run"


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "letter.txt"])
def test_a_folder_with_files_of_its_owner_is_no_place_for_a_run(folders, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="run is not empty") as refused:
        train("classification", folders, tmp_path / "run")

    assert "resume" not in str(refused.value)
    assert (tmp_path / "run" / name).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "message"), [("file", "file is a file"), ("file/run", "a part of the path is a file")]
)
def test_a_file_is_no_place_for_a_run(folders, tmp_path, name, message):
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=message) as refused:
        train("classification", folders, tmp_path / name)

    assert "resume" not in str(refused.value)


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


def test_weights_of_a_recognizer_go_on_and_are_not_needed_later(
    folders, tmp_path, capsys, monkeypatch
):
    first = train("classification", folders, tmp_path / "first", steps=20)
    monkeypatch.chdir(tmp_path)

    second = train(
        "classification", folders, tmp_path / "second", steps=1, lr=1e-6, weights="first/recognizer"
    )
    (second.folder / "scores.json").unlink()
    shutil.rmtree(first.folder)
    monkeypatch.chdir(folders)
    again = manako.resume(second.folder)

    assert second.metrics["test"].main.value == pytest.approx(first.metrics["test"].main.value)
    assert again.metrics == second.metrics
    assert "tensors" in capsys.readouterr().err


def test_an_asked_interval_of_validation_is_kept_under_a_budget(folders, tmp_path):
    run = train(
        "classification", folders, tmp_path / "run", steps=None, budget_seconds=8.0,
        validate_every=7,
    )  # fmt: skip

    assert run.settings.validate_every == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_finishing_says_how_to_go_on(folders, tmp_path, monkeypatch, number):
    def interrupted(*arguments):
        os.kill(os.getpid(), number)

    real = start.finish
    monkeypatch.setattr(start, "finish", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    with pytest.raises(Stopped, match=r"interrupted; what came after[\s\S]*manako resume"):
        train("classification", folders, tmp_path / "run")
    signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(start, "finish", real)

    assert manako.resume(tmp_path / "run").metrics["test"].pictures == 8


def test_another_machine_is_told_when_a_run_goes_on(folders, tmp_path, capsys):
    run = train("classification", folders, tmp_path / "run")
    (run.folder / "scores.json").unlink()
    path = run.folder / "environment.json"
    then = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**then, "torch": "1.0"}), encoding="utf-8")

    manako.resume(run.folder)

    assert "the run began with torch 1.0" in capsys.readouterr().err


def test_a_damaged_file_of_a_run_is_refused(folders, tmp_path):
    run = train("classification", folders, tmp_path / "run")
    facts = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    for name, text in (
        ("scores.json", "{"), ("scores.json", "{}"),
        ("scores.json", '{"scores": {}, "seconds": 1}'),
        ("scores.json", '{"scores": {"val": 3}, "seconds": 1}'), ("scores.json", '{"scores": []}'),
        ("run.json", "{}"), ("run.json", json.dumps({**facts, "classes": 3})),
        ("run.json", json.dumps({**facts, "mean": ["a"]})),
        ("run.json", json.dumps({**facts, "data_fingerprint": None})),
        ("environment.json", "[]"), ("config.yaml", "\xff"),
    ):  # fmt: skip
        path = run.folder / name
        whole = path.read_bytes()
        scores = run.folder / "scores.json"
        kept = scores.read_bytes()
        if name != "scores.json":
            scores.unlink()
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ArtefactError, match=name.replace(".", r"\.")):
            manako.resume(run.folder)
        path.write_bytes(whole)
        scores.write_bytes(kept)


def test_a_damaged_journal_of_a_run_is_refused(folders, tmp_path):
    run = train("classification", folders, tmp_path / "run")
    (run.folder / "scores.json").unlink()
    journal = run.folder / "metrics.jsonl"
    journal.write_bytes(b'{"step": 1, "lo\n' + journal.read_bytes())

    with pytest.raises(ArtefactError, match=r"metrics\.jsonl is damaged in line 1"):
        manako.resume(run.folder)


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
        ({"size_hw": (8, 8)}, "quick32 cannot take pictures of 8 x 8 pixels"),
        ({"schedule": "onecycle", "warmup_steps": 2}, "one-cycle schedule has a warm-up of its"),
        ({"optimizer": "adamw", "momentum": 0.5}, "AdamW has no momentum to choose"),
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
        run.recognizer.evaluate(data)


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """Class folders and a run on them."""
    folder = tmp_path_factory.mktemp("classified")
    data = shapes.class_folders(folder / "data")
    return data, train("classification", data, folder / "run", steps=40)


def test_a_split_without_a_class_is_scored_by_name(classified):
    data, run = classified
    lacking = data.parent / "lacking" / "test" / "red"
    shutil.copytree(data / "test" / "red", lacking)

    found = evaluate_data(run.recognizer, lacking.parents[1])

    red = run.recognizer.classes.index("red")
    right = [one.label == red for one in found.evaluation.predictions]
    assert found.evaluation.scores.main.value == pytest.approx(sum(right) / len(right))
    assert found.evaluation.scores.pictures == 4


def test_a_set_without_splits_is_scored_whole_or_as_the_run_would_split_it(classified):
    data, run = classified
    unsplit = data.parent / "unsplit"
    for split in ("train", "val", "test"):
        shutil.copytree(data / split, unsplit, dirs_exist_ok=True)

    whole = evaluate_data(run.recognizer, unsplit, split="all")
    tenth = evaluate_data(run.recognizer, unsplit)

    assert whole.evaluation.scores.pictures == 40
    assert (tenth.split, tenth.evaluation.scores.pictures) == ("test", 4)


def test_val_refuses_a_class_that_the_recognizer_does_not_know(classified, tmp_path):
    _, run = classified
    data = shapes.class_folders(tmp_path / "data")
    (data / "test" / "red").rename(data / "test" / "pink")
    (data / "train" / "red").rename(data / "train" / "pink")
    (data / "val" / "red").rename(data / "val" / "pink")

    with pytest.raises(DataError, match="pink"):
        run.recognizer.evaluate(data)
