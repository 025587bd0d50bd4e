"""Every verb through the same door as on the command line."""

import json

import pytest

import shapes
from manako.cli.main import run
from manako.console.messages import set_quiet

QUICK = ["--model", "quick32", "--model-option", "width=8", "--batch", "8", "--threads", "1"]


@pytest.fixture(autouse=True)
def talkative():
    yield
    set_quiet(False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The data and the folder of a run made by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    data = shapes.class_folders(folder / "data")
    arguments = ["train", str(data), *QUICK, "--steps", "12", "--out", str(folder / "run")]
    assert run([*arguments, "--quiet"]) == 0
    set_quiet(False)
    return data, folder / "run"


def test_help_lists_every_verb(capsys):
    assert run(["--help"]) == 0

    shown = capsys.readouterr().out
    for verb in ("train", "resume", "val", "predict", "models", "info", "cache", "demo"):
        assert f"  {verb} " in shown


@pytest.mark.parametrize(
    "verb", ["train", "resume", "val", "predict", "models", "info", "cache", "demo"]
)
def test_every_verb_explains_itself(verb, capsys):
    assert run([verb, "--help"]) == 0

    assert capsys.readouterr().out.startswith(f"Usage: manako {verb}")


def test_train_prints_one_json_document_and_nothing_else_on_stdout(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")

    code = run(["train", str(data), *QUICK, "--steps", "2", "--out", str(tmp_path / "r"), "--json"])

    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert code == 0
    assert result["folder"] == str(tmp_path / "r")
    assert set(result["scores"]) == {"val", "test"}
    assert "classification: class folders, 2 classes" in printed.err


def test_a_dry_run_shows_every_setting_and_writes_nothing(trained, tmp_path, capsys):
    data, _ = trained

    code = run(["train", str(data), "--dry-run", "--json", "--lr", "0.5"])

    settings = json.loads(capsys.readouterr().out)
    assert code == 0
    assert settings["lr"] == {"value": 0.5, "origin": "asked"}
    assert settings["model"]["value"] == "quick32"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--folds", "3", "--fold", "1/2"], "one fold and all folds are asked for"),
        (["--folds", "3", "--budget", "1m", "--imgsz", "auto"], "a picture size of its own"),
        (["--out", "."], "go on with it: manako resume"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(trained, typed, message, monkeypatch, capsys):
    data, folder = trained
    monkeypatch.chdir(folder)

    assert run(["train", str(data), "--dry-run", *typed]) == 2

    assert message in capsys.readouterr().err


def test_a_dry_run_is_a_table_for_people(trained, capsys):
    options = ["--imgsz", "32", "--model-option", "width=8", "--model", "quick32"]
    assert run(["train", str(trained[0]), "--dry-run", *options]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["setting", "value", "origin"]
    assert ["model_options.width", "8", "asked"] in rows
    assert ["augment_options.flip", "True"] in [row[:2] for row in rows]


def test_val_scores_and_writes_predictions(trained, tmp_path, capsys):
    data, folder = trained

    code = run(["val", str(folder), str(data), "--out", str(tmp_path / "p.csv"), "--json"])

    scores = json.loads(capsys.readouterr().out)["test"]
    saved = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert code == 0
    assert scores == saved["scores"]["test"]
    assert len((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()) == 1 + 8


def test_val_shows_a_table(trained, capsys):
    data, folder = trained

    assert run(["val", str(folder), str(data), "--split", "val"]) == 0

    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["score", "val", "95", "%", "interval"]
    assert any(line.startswith("class on val ") for line in printed.out.splitlines())


@pytest.mark.parametrize(
    ("name", "message"),
    [("folder", "is a folder"), ("file/x.csv", "cannot be written: a part of the path is a file")],
)
def test_val_refuses_a_place_for_its_table_before_the_work(
    name, message, trained, tmp_path, capsys
):
    data, folder = trained
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    assert run(["val", str(folder), str(data), "--out", str(tmp_path / name)]) == 2

    printed = capsys.readouterr()
    assert message in printed.err
    assert "classification: class folders" not in printed.err


def test_predict_takes_files_and_folders(trained, capsys):
    data, folder = trained

    code = run(["predict", str(folder), str(data / "test"), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert len(found) == 8
    assert set(found[0]["probabilities"]) == {"blue", "red"}


def test_a_score_of_boxes_is_refused_where_there_are_none(trained, capsys):
    data, folder = trained

    assert run(["predict", str(folder), str(data / "test"), "--score", "0.9"]) == 2

    assert "--score is for boxes, and the recognizer is for classif" in capsys.readouterr().err


def test_predict_draws_into_a_new_folder(trained, tmp_path, capsys):
    data, folder = trained
    picture = sorted((data / "test" / "red").iterdir())[0]

    code = run(["predict", str(folder), str(picture), "--out", str(tmp_path / "drawn")])

    assert code == 0
    assert {one.name for one in (tmp_path / "drawn").iterdir()} == {
        "predictions.csv",
        f"1-{picture.stem}.png",
    }
    assert picture.name in capsys.readouterr().out


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_predict_describes_boxes_and_maps(task, tmp_path, capsys):
    data = shapes.MAKERS[task](tmp_path / "data")
    model = {
        "detection": ["--model", "ssd_resnet18"],
        "segmentation": ["--model", "unet_bn", "--model-option", "width=8"],
    }[task]
    common = ["--steps", "2", "--batch", "4", "--threads", "1", "--out", str(tmp_path / "run")]
    assert run(["train", str(data), *model, *common]) == 0
    capsys.readouterr()
    images = data / ("JPEGImages" if task == "detection" else "images/test")

    least = ["--score", "0"] if task == "detection" else []
    assert run(["predict", str(tmp_path / "run"), str(images), "--json", *least]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(["predict", str(tmp_path / "run"), str(images)]) == 0
    table = capsys.readouterr().out

    if task == "detection":
        assert all(set(box) == {"class", "score", "xyxy"} for box in found[0]["boxes"])
    else:
        assert sum(found[0]["pixels"].values()) == shapes.SIDE**2
        assert "%" in table


def test_resume_of_a_complete_run_prints_its_scores(trained, capsys):
    _, folder = trained

    assert run(["resume", str(folder)]) == 0

    printed = capsys.readouterr()
    assert "is complete" in printed.err
    assert "accuracy" in printed.out


def test_models_and_info(capsys):
    assert run(["models", "resnet*", "--json"]) == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert run(["models", "--task", "segmentation"]) == 0
    table = capsys.readouterr().out
    assert run(["info", "resnet18"]) == 0
    shown = capsys.readouterr().out
    assert run(["info", "resnet18", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert names[:2] == ["resnet18", "resnet34"]
    assert "unet_bn" in table
    assert "resnet18" not in table
    assert "11,689,512" in shown
    assert facts["multiply_adds"] == 1_814_073_344


def test_the_cache_can_be_seen_and_cleared(trained, capsys):
    assert run(["cache", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert run(["cache"]) == 0
    assert "decoded" in capsys.readouterr().out
    assert run(["cache", "--clear"]) == 0
    assert "MB" in capsys.readouterr().out
    assert run(["cache", "--json"]) == 0
    after = json.loads(capsys.readouterr().out)

    assert sum(one["entries"] for one in before["caches"].values()) > 0
    assert sum(one["entries"] for one in after["caches"].values()) == 0
