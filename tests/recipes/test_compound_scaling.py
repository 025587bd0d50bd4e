"""Scaling on a small data set, from limits to a winner."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from manako.arithmetic.compound import Base
from manako.cli.main import run
from manako.errors import UsageError
from manako.recipes.compound_scaling import Limits, fitting, scale
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


def test_limits_are_kept(bars):
    settings = resolve_settings(bars, "resnet20", **SMALL, steps=10).settings
    base = Base("resnet20", {}, 2, 3, (16, 16))
    plain = base.at(base_rates(), 0.0)
    memory = 2 * plain.cost.training_bytes(settings.batch)

    for scaled, seconds in fitting(base, settings, Limits(memory_bytes=memory), 3):
        assert scaled.cost.training_bytes(settings.batch) <= memory
        assert seconds > 0
    fast = fitting(base, settings, Limits(macs=500e6, latency_seconds=0.05), 2)
    assert fast
    assert all(seconds <= 0.05 for _, seconds in fast)


def base_rates():
    from manako.recipes.compound_scaling import UNSCALED

    return UNSCALED


def test_what_cannot_be_is_refused(bars, tmp_path):
    with pytest.raises(UsageError, match="nothing limits the network"):
        scale(bars, "resnet20", Limits(), out=tmp_path, budget_seconds=1)
    with pytest.raises(UsageError, match="lenet5 cannot be made deeper"):
        scale(bars, "lenet5", Limits(macs=1e6), out=tmp_path, budget_seconds=1)
    with pytest.raises(UsageError, match="no form of resnet20 is within the limits"):
        scale(bars, "resnet20", Limits(macs=10), out=tmp_path, budget_seconds=1, size_hw=(16, 16))
