"""The options of `manako train`, as they are typed."""

import json

import pytest

import shapes
from manako.cli import train as module
from manako.cli.main import run
from manako.cli.options import parse_freeze
from manako.config import Asked
from manako.console.messages import set_quiet
from manako.errors import UsageError
from manako.runs import start

QUICK = ["--model", "quick32", "--model-option", "width=8", "--threads", "1"]


@pytest.fixture(autouse=True)
def talkative():
    yield
    set_quiet(False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shapes.class_folders(tmp_path_factory.mktemp("cli") / "data")


def test_every_option_reaches_its_setting(data, tmp_path, monkeypatch):
    asked = {}

    def stop(path, model, *, out, **options):
        asked.update(Asked.of(options).model_dump(exclude_none=True))
        raise UsageError("that is enough")

    monkeypatch.setattr(start, "train", stop)
    typed = (
        "--group-by (p\\d+) --fold 2/5 --exclude list.txt --allow-leakage --augment randaugment "
        "--augment-option flip=true --augment-option magnitude=5 --mixup 0.4 --cutmix 1 "
        "--accumulate 4 --batch-size 16 --class-weights balanced --freeze 2 --stage-lr-factor 0.5 "
        "--bias-lr-factor 2 "
        "--frozen-norms --no-preflight --imgsz auto --budget 10m"
    )

    assert run(["train", str(data), *typed.split()]) == 2

    assert asked == {
        "group_by": "(p\\d+)", "fold": "2/5", "exclude": "list.txt", "allow_leakage": True,
        "augment": "randaugment", "augment_options": {"flip": True, "magnitude": 5.0},
        "mixup": 0.4, "cutmix": 1.0, "accumulate": 4, "batch": 16, "class_weights": "balanced",
        "freeze": 2, "stage_lr_factor": 0.5, "bias_lr_factor": 2.0,
        "norm_statistics": "frozen", "preflight": False,
        "size_hw": "auto", "budget_seconds": 600.0,
    }  # fmt: skip


def test_what_is_not_typed_is_not_asked(data, monkeypatch):
    asked = {}

    def stop(path, model, *, out, **options):
        asked.update(Asked.of(options).model_dump(exclude_none=True))
        raise UsageError("that is enough")

    monkeypatch.setattr(start, "train", stop)
    run(["train", str(data)])

    assert asked == {}


def test_every_field_that_can_be_asked_has_an_option():
    fields = set(Asked.model_fields) - {"model"}
    spelled = {
        "model_options", "freeze", "norm_statistics", "exclude", "allow_leakage",
        "budget_seconds", "size_hw", "rule", "channels", "augment_options", "average_decay",
        "stop_after", "precision", "preflight", "signal_size",
    }  # fmt: skip

    assert set(module._AS_GIVEN) | spelled == fields


def test_stages_to_freeze_are_a_number_or_the_backbone():
    assert (parse_freeze(None), parse_freeze("0"), parse_freeze("backbone")) == (
        None,
        0,
        "backbone",
    )
    with pytest.raises(UsageError, match=r"--freeze 'bakbone' is not understood(.|\n)*or backbone"):
        parse_freeze("bakbone")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--mixupp 0.2", "no option '--mixupp'; did you mean --mixup"),
        ("--fold 7/5 --steps 2", "fold cannot be '7/5'"),
        ("--folds 1", "--folds"),
        ("--folds 3 --fold 1/3", "give --fold or --folds"),
        ("--augment-option flip", "--augment-option 'flip' is not understood"),
        ("--augment-option flop=1 --steps 2", "did you mean 'flip'"),
        ("--imgsz auto --steps 2", "without a budget"),
        ("--freeze 9 --steps 2", "9 stages cannot be frozen"),
        ("--batch 100 --steps 2", "more than the 24 training pictures"),
    ],
)
def test_what_cannot_be_is_refused_with_code_2(data, tmp_path, typed, message, capsys):
    code = run(["train", str(data), *QUICK, *typed.split(), "--out", str(tmp_path / "run")])

    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_preflight_that_fails_ends_with_code_6(data, tmp_path, capsys):
    typed = ["--steps", "700", "--batch", "8", "--lr", "1e-12"]

    code = run(["train", str(data), *QUICK, *typed, "--out", str(tmp_path / "run")])

    assert code == 6
    assert "--no-preflight trains all the same" in capsys.readouterr().err


def test_folds_are_shown_with_their_spread(data, tmp_path, capsys):
    typed = ["--folds", "2", "--steps", "3", "--batch", "8", "--out", str(tmp_path / "out")]

    assert run(["train", str(data), *QUICK, *typed]) == 0
    shown = capsys.readouterr()
    assert run(["train", str(data), *QUICK, *typed, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)

    assert shown.out.splitlines()[0].split() == ["score", "mean", "±", "fold", "1", "fold", "2"]
    assert "val: accuracy " in shown.err
    assert printed["folds"] == 2
    assert len(printed["scores"]["val"]["accuracy"]["values"]) == 2
