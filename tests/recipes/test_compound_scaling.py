"""Scaling on a small data set, from limits to a winner."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from manako.cli.main import run
from manako.errors import NumericError, Stopped, UsageError
from manako.recipes import compound_scaling, compound_search
from manako.recipes.compound_scaling import scale
from manako.recipes.compound_search import UNSCALED, Limits, base_of, fitting
from manako.runs.start import resolve_settings


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """Pictures of 16 pixels with bright rows or bright columns."""
    root = tmp_path_factory.mktemp("bars")
    random = np.random.default_rng(0)
    for number in range(60):
        picture = random.integers(0, 100, (16, 16, 3), dtype=np.uint8)
        name = ("rows", "columns")[number % 2]
        lit = picture if name == "rows" else picture.transpose(1, 0, 2)
        lit[number % 16] += 120
        path = root / name / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    return root


SMALL = {"preflight": False, "size_hw": (16, 16), "batch": 8, "threads": 1}


@pytest.mark.slow
def test_the_verb_trains_what_fits_and_names_the_best(bars, tmp_path, capsys):
    out = tmp_path / "scaled"
    options = ["--macs", "15M", "--steps", "6", "--candidates", "2", "--imgsz", "16"]

    assert run(["scale", "resnet20", str(bars), *options, "--out", str(out), "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    trials = found["trials"]
    assert len(trials) in (2, 3)  # as given, and the two shapes, if they differ
    assert any(one["phi"] == 0 for one in trials)
    assert all(one["macs"] <= 15e6 for one in trials)
    values = [one["validation"]["value"] for one in trials]
    assert values == sorted(values, reverse=True)
    assert len(list(out.glob("run-*/recognizer"))) == len(trials)
    assert json.loads((out / "scaling.json").read_text())["trials"] == trials
    drawn = (out / "scaling.svg").read_text()
    assert "million multiply-adds" in drawn
    assert drawn.count("16 px") == len(trials)


@pytest.mark.slow
def test_a_search_that_was_stopped_goes_on_where_it_was(bars, tmp_path, monkeypatch):
    out = tmp_path / "scaled"
    asked = {**SMALL, "steps": 4, "seed": 0, "candidates": 2}
    whole = scale(bars, "resnet20", Limits(macs=15e6), out=tmp_path / "whole", **asked)
    real, trained = compound_scaling.train, []

    def train(data, **how):
        if len(trained) == 1:
            raise Stopped("stopped")
        trained.append(how["out"])
        return real(data, **how)

    monkeypatch.setattr(compound_scaling, "train", train)
    with pytest.raises(Stopped):
        scale(bars, "resnet20", Limits(macs=15e6), out=out, **asked)
    monkeypatch.setattr(compound_scaling, "train", real)
    written = (out / "run-1" / "scores.json").stat().st_mtime_ns
    found = scale(bars, "resnet20", Limits(macs=15e6), out=out, **asked)

    assert (out / "run-1" / "scores.json").stat().st_mtime_ns == written
    assert [one.score for one in found.trials] == [one.score for one in whole.trials]
    with pytest.raises(UsageError, match="holds another search"):
        scale(bars, "resnet20", Limits(macs=16e6), out=out, **asked)


@pytest.mark.slow
def test_a_network_that_cannot_be_trained_is_left_out(bars, tmp_path, monkeypatch, capsys):
    real = compound_scaling.train

    def train(data, **how):
        if how["out"].name == "run-1":
            raise NumericError("the loss is nan")
        return real(data, **how)

    monkeypatch.setattr(compound_scaling, "train", train)
    asked = {**SMALL, "steps": 4, "candidates": 2}
    found = scale(bars, "resnet20", Limits(macs=15e6), out=tmp_path / "out", **asked)

    assert [one.reason for one in found.failures] == ["the loss is nan"]
    assert found.as_json()["failures"][0]["phi"] == 0
    assert found.trials
    assert "left out: the loss is nan" in capsys.readouterr().err


def test_limits_are_kept(bars):
    settings = resolve_settings(bars, "resnet20", **SMALL, steps=10).settings
    base = base_of(2, settings)
    plain = base.at(UNSCALED, 0.0)
    memory = 2 * plain.cost.training_bytes(settings.batch)

    for one in fitting(base, settings, Limits(memory_bytes=memory), 3):
        assert one.scaled.cost.training_bytes(settings.batch) == one.memory_bytes <= memory
        assert one.latency_seconds > 0


def test_no_network_is_there_twice_and_all_are_as_fast_as_asked(bars, monkeypatch):
    settings = resolve_settings(bars, "resnet20", **SMALL, steps=10).settings
    base = base_of(2, settings)
    # As if each million of multiply-adds took a millisecond.
    pace = {"seconds": 1e-9}
    monkeypatch.setattr(
        compound_search,
        "prediction_seconds",
        lambda base, scaled, threads: scaled.cost.macs * pace["seconds"],
    )
    found = fitting(base, settings, Limits(macs=base.at(UNSCALED, 0.0).cost.macs * 1.2), 6)
    layers = [(one.scaled.size_hw, one.scaled.cost.layers) for one in found]
    assert len(set(layers)) == len(layers)
    assert found[0].is_unscaled
    for limit in (0.005, 0.05):
        fast = fitting(base, settings, Limits(latency_seconds=limit), 3)
        assert len(fast) > 1
        assert all(0.4 * limit < one.latency_seconds <= limit for one in fast if one.scaled.phi)
        assert all(one.scaled.cost.macs <= 2.1e9 * limit for one in fast)
    pace["seconds"] = 1e-3
    with pytest.raises(UsageError, match=r"no form of .* and [\d.]+ ms"):
        fitting(base, settings, Limits(latency_seconds=1e-4), 3)


def test_what_cannot_be_is_refused(bars, tmp_path):
    some, small = Limits(macs=1e6), {"size_hw": (16, 16), "budget_seconds": 1}
    wide = {**small, "model_options": {"width_factor": 2.0}}
    cases = (
        ("resnet20", Limits(), small, "nothing limits the network"),
        ("resnet20", some, {}, "nothing limits the trainings"),
        ("lenet5", some, small, "lenet5 cannot be made deeper"),
        ("resnet20", Limits(macs=10), small, "no form of resnet20 is within the limits"),
        ("resnet20", some, wide, "width_factor cannot be chosen"),
    )
    for model, limits, asked, message in cases:
        with pytest.raises(UsageError, match=message):
            scale(bars, model, limits, out=tmp_path / "new", **asked)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is there already"):
        scale(bars, "resnet20", some, out=tmp_path, **small)


def test_signals_are_refused_before_anything_is_searched(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            np.save(tmp_path / name / f"{number}.npy", np.random.default_rng(number).random(40))
    with pytest.raises(UsageError, match="signals or volumes, which cannot be seen finer"):
        scale(tmp_path, "resnet20", Limits(macs=1e6), out=tmp_path / "out", budget_seconds=1)
