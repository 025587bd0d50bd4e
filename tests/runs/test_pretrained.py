"""A run that starts from weights: what they decide, and what is refused before there is a run."""

import pytest
import torch
from PIL import Image

import shapes
from manako.errors import ArtefactError
from manako.runs.pretrained import made_for, normalisation_of
from manako.runs.start import resolve_settings, train
from manako.storage.tensors import save_tensors
from small_run import small_settings

QUICK = {"threads": 1, "steps": 2, "batch": 8, "seed": 0, "precision": "float32"}


@pytest.fixture(scope="module")
def grey_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    data = shapes.class_folders(folder / "data")
    options = {"width": 8}
    return data, train(
        data, "quick32", out=folder / "run", model_options=options, channels=1, **QUICK
    )


def test_model_its_options_and_channels_are_those_of_the_weights(grey_run):
    data, run = grey_run

    found = resolve_settings(data, weights=str(run.folder), **QUICK)

    settings = found.settings
    assert (settings.model, settings.model_options, settings.channels) == (
        "quick32",
        {"width": 8},
        1,
    )
    for name in ("model", "model_options", "channels"):
        assert found.origins[name] == "the weights"


def test_an_asked_model_wins_and_weights_that_do_not_fit_it_are_refused(grey_run, tmp_path):
    data, run = grey_run
    asked = {"weights": str(run.folder), "model": "lenet5", **QUICK}

    for refused in (
        lambda: resolve_settings(data, **asked),
        lambda: train(data, out=tmp_path / "run", **asked),
    ):
        with pytest.raises(ArtefactError, match=r"missing|unexpected|misshapen"):
            refused()
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_there_leave_no_run_behind(grey_run, tmp_path):
    data, _ = grey_run

    with pytest.raises(ArtefactError, match=r"nowhere is no recognizer"):
        train(data, out=tmp_path / "run", weights=str(tmp_path / "nowhere"), **QUICK)

    assert not (tmp_path / "run").exists()


def test_nothing_is_said_without_weights_and_by_other_libraries():
    assert made_for(None) is None
    assert made_for("torchvision:resnet18.safetensors") is None


def test_pictures_are_normalised_as_those_that_the_weights_were_trained_on(grey_run, tmp_path):
    _, first = grey_run
    darker = shapes.class_folders(tmp_path / "darker")
    for path in darker.rglob("*.png"):
        Image.open(path).point(lambda level: level // 2).save(path)

    second = train(darker, out=tmp_path / "second", weights=str(first.folder), **QUICK)
    fresh = train(
        darker, "quick32", out=tmp_path / "fresh", model_options={"width": 8}, channels=1, **QUICK
    )

    assert second.recognizer.spec.mean == first.recognizer.spec.mean
    assert second.recognizer.spec.std == first.recognizer.spec.std
    assert fresh.recognizer.spec.mean[0] < 0.7 * first.recognizer.spec.mean[0]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (3, ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        (1, ((0.449,), (0.226,))),
    ],
)
def test_torchvisions_weights_were_trained_on_pictures_normalised_by_imagenet(
    tmp_path, channels, expected
):
    save_tensors(tmp_path / "r.safetensors", {"a": torch.ones(1)})
    settings = small_settings(weights=f"torchvision:{tmp_path}/r.safetensors", channels=channels)

    assert normalisation_of(settings) == expected


def test_a_file_that_does_not_say_how_its_pictures_were_normalised_is_noted(tmp_path, capsys):
    save_tensors(tmp_path / "r.safetensors", {"a": torch.ones(1)})
    settings = small_settings(model="swin_t", weights=f"timm:{tmp_path}/r.safetensors")

    assert normalisation_of(settings) is None
    assert "does not say how its pictures were normalised" in capsys.readouterr().err


def test_without_weights_the_data_are_measured():
    assert normalisation_of(small_settings()) is None
