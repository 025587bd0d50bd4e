"""What is measured and tried before a run."""

import re
import time
from dataclasses import replace

import pytest
import torch

import manako
import shapes
from manako.config import Asked, Resolved
from manako.data.opened import open_sources, read_for_training
from manako.data.selection import Selection
from manako.errors import NumericError, UsageError
from manako.runs import planning
from manako.runs.choices import resolve
from manako.runs.look import look_at
from manako.runs.planning import prepare
from manako.runs.session import Facts, Session
from manako.structures import BoxTargets
from manako.training.budget import Pace
from manako.training.distribution import Processes
from manako.training.precision import exact_arithmetic

PLAIN = {"threads": 1, "precision": "float32", "batch": 8}


@pytest.fixture(scope="module", params=list(shapes.MAKERS))
def kind(request, tmp_path_factory):
    return request.param, shapes.MAKERS[request.param](tmp_path_factory.mktemp("plan") / "data")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return shapes.class_folders(tmp_path_factory.mktemp("plan") / "data")


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    return shapes.mask_pairs(tmp_path_factory.mktemp("plan") / "data")


def begun(data, **asked):
    """What `prepare` is given for a run on `data`."""
    wanted = Asked.of({**PLAIN, **asked})
    dataset = read_for_training(data, Selection())
    resolved = resolve(wanted, dataset, look_at(dataset), str(data))
    sources = open_sources(dataset, resolved.settings.channels, workers=1)
    session = Session(
        resolved.settings, Facts.measured(resolved.settings, sources), sources, Processes()
    )
    return wanted, resolved, session, time.monotonic()


def prepared(data, **asked):
    with exact_arithmetic(threads=1):
        return prepare(*begun(data, **asked))


def test_healthy_runs_of_every_task_pass_or_are_not_refused(kind, capsys, monkeypatch):
    task, data = kind
    monkeypatch.setattr(planning, "PREFLIGHT_SECONDS", 3.0)

    prepared(data, **shapes.QUICK[task], steps=5000, validate_every=100)

    told = capsys.readouterr().err
    assert re.search(r"about .*: 5,000 steps at [\d.]+ s, 50 validations", told)
    assert re.search(r"pre-flight (passed|inconclusive): on 8 pictures the loss went from", told)


def test_a_run_that_cannot_learn_is_refused_before_it_has_a_folder(folders, tmp_path):
    quick = shapes.QUICK["classification"]

    with pytest.raises(NumericError, match="pre-flight failed"):
        manako.train(folders, out=tmp_path / "run", **{**PLAIN, **quick, "lr": 1e-12, "steps": 600})

    assert not (tmp_path / "run").exists()


def test_a_short_run_has_no_preflight_and_a_very_short_one_no_forecast(folders, capsys):
    prepared(folders, **shapes.QUICK["classification"], steps=30)
    short = capsys.readouterr().err
    prepared(folders, **shapes.QUICK["classification"], steps=10)
    shorter = capsys.readouterr().err

    assert "about" in short
    assert "pre-flight" not in short
    assert "about" not in shorter


def test_a_preflight_can_be_switched_off(folders, capsys):
    prepared(folders, **shapes.QUICK["classification"], steps=5000, preflight=False)

    assert "pre-flight" not in capsys.readouterr().err


def test_neither_preflight_nor_forecast_changes_a_bit(folders, tmp_path, monkeypatch, capsys):
    quick = {**PLAIN, **shapes.QUICK["classification"], "steps": 20, "mixup": 0.4}
    monkeypatch.setattr(planning, "_PREFLIGHT_PICTURES", 4.0)

    tried = manako.train(folders, out=tmp_path / "tried", **quick)
    told = capsys.readouterr().err
    monkeypatch.setattr(planning, "_forecast", lambda session: None)
    plain = manako.train(folders, out=tmp_path / "plain", preflight=False, **quick)

    assert "pre-flight" in told
    manifests = [(run.folder / "recognizer" / "MANIFEST").read_bytes() for run in (tried, plain)]
    assert manifests[0] == manifests[1]


def test_a_preflight_takes_its_small_share_of_a_budget(folders, monkeypatch):
    seen = []

    def spied(model, parts, *, seconds, steps):
        seen.append(seconds)
        return "nothing"

    monkeypatch.setattr(planning, "preflight", spied)
    prepared(folders, **shapes.QUICK["classification"], budget_seconds=20.0)
    prepared(folders, **shapes.QUICK["classification"], budget_seconds=3600.0 * 9)

    assert seen == [pytest.approx(0.8), 30.0]


def paced_by_pixels(monkeypatch, seconds_of_largest):
    """Steps cost as many seconds as their pictures have pixels; the largest as given."""

    def measured(session, *limits):
        height, width = session.settings.size_hw
        return Pace(seconds_of_largest * height * width / 64**2, 0.0, 0.0)

    monkeypatch.setattr(planning, "_measured", measured)


@pytest.mark.parametrize(
    ("seconds", "size_hw"), [(0.5, (64, 64)), (0.9, (48, 48)), (2.0, (32, 32)), (5.0, (32, 32))]
)
def test_a_budget_chooses_the_largest_picture_with_time_enough(
    masks, seconds, size_hw, monkeypatch, capsys
):
    # Half of the recipe's 40 epochs of 3 steps each: 60 steps.
    paced_by_pixels(monkeypatch, seconds)

    resolved, session = prepared(
        masks, size_hw="auto", budget_seconds=50.0, model="unet_bn",
        model_options={"width": 4}, preflight=False,
    )  # fmt: skip

    assert resolved.settings.size_hw == session.settings.size_hw == size_hw
    assert session.preparation.size_hw == size_hw
    origin = resolved.origins["size_hw"]
    assert origin.startswith("auto: the budget has time for ")
    assert (" at " in origin) == (size_hw != (64, 64) and seconds < 5)
    share = size_hw[0] * size_hw[1] / 64**2
    assert resolved.settings.steps == pytest.approx(0.92 * 50.0 / (seconds * share), rel=0.05)
    assert f"picture size: {size_hw[0]}x{size_hw[1]}" in capsys.readouterr().err


def test_a_size_that_was_asked_for_stays_whatever_the_budget(masks, monkeypatch):
    paced_by_pixels(monkeypatch, 4.0)

    resolved, _ = prepared(
        masks, size_hw=(64, 64), budget_seconds=50.0, model="unet_bn",
        model_options={"width": 4}, preflight=False,
    )  # fmt: skip

    assert resolved.settings.size_hw == (64, 64)
    assert resolved.origins["size_hw"] == "asked"


def test_the_strengths_of_the_augmentation_follow_the_size(tmp_path, monkeypatch):
    paced_by_pixels(monkeypatch, 1.0)
    data = shapes.class_folders(tmp_path / "data", side=100)

    resolved, session = prepared(
        data, model="resnet20", size_hw="auto", budget_seconds=60.0, preflight=False,
        augment_options={"vertical_flip": True},
    )  # fmt: skip

    numbers = resolved.settings.augment_options
    assert session.settings.size_hw == (64, 64)
    assert (numbers["min_area"], numbers["shift"], numbers["vertical_flip"]) == (1.0, 1 / 16, True)


def test_no_budget_no_choice_of_size(folders):
    with pytest.raises(UsageError, match="cannot be chosen by time without a budget"):
        begun(folders, size_hw="auto", steps=10)


def test_a_network_of_one_size_keeps_it(folders, monkeypatch):
    paced_by_pixels(monkeypatch, 4.0)

    resolved, _ = prepared(
        folders, model="lenet5", channels=1, size_hw="auto", budget_seconds=50.0, preflight=False
    )

    assert resolved.settings.size_hw == (28, 28)


@pytest.mark.slow
def test_a_budget_is_planned_from_what_was_measured(folders, tmp_path):

    run = manako.train(
        folders,
        out=tmp_path / "run",
        budget_seconds=20.0,
        **{**PLAIN, **shapes.QUICK["classification"]},
    )

    resolved = Resolved.load(run.folder / "config.yaml")
    assert resolved.origins["steps"].startswith("for the budget: ")


def test_first_validation_pictures_without_an_object_do_not_end_a_run(tmp_path, capsys):
    data = shapes.MAKERS["detection"](tmp_path / "data")
    wanted, resolved, session, started = begun(data, **shapes.QUICK["detection"], steps=200)
    val = session.data.sources["val"]
    empty = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    session.data.sources["val"] = [replace(one, target=empty) for one in val] + list(val)

    with exact_arithmetic(threads=1):
        prepare(wanted, resolved, session, started)

    assert "200 steps at" in capsys.readouterr().err
