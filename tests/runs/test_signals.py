"""Runs on sounds, series and volumes, from files to answers."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch
from scipy.io import wavfile

import manako
from manako.cli.main import run
from manako.errors import DataError, NumericError, ShapeError, Stopped, UsageError
from manako.recognizer import load_recognizer
from manako.training import loop

RATE = 2000
QUICK = {"steps": 40, "batch": 8, "preflight": False, "threads": 1, "seed": 0}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Low and high tones, of different lengths, at different moments."""
    root = tmp_path_factory.mktemp("tones")
    random = np.random.default_rng(0)
    for number in range(64):
        name = ("low", "high")[number % 2]
        split = "train" if number < 40 else "test"
        seconds = np.arange(random.integers(300, 700)) / RATE
        pitch = {"low": 150, "high": 500}[name] * random.uniform(0.9, 1.1)
        sound = 0.5 * np.sin(2 * np.pi * (pitch * seconds + random.random()))
        sound += random.normal(0, 0.05, len(sound))
        path = root / split / name / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, RATE, (sound * 2**14).astype(np.int16))
    return root


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """Volumes with a long bar along the first or the last side."""
    root = tmp_path_factory.mktemp("blobs")
    random = np.random.default_rng(0)
    for number in range(48):
        name, split = ("deep", "wide")[number % 2], "train" if number < 32 else "test"
        volume = random.normal(0, 0.2, (12, 12, 12)).astype(np.float32)
        y, x = random.integers(2, 9, 2)
        (volume if name == "deep" else volume.transpose(2, 1, 0))[:, y : y + 2, x : x + 2] += 1.5
        path = root / split / name / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, volume)
    return root


@pytest.fixture(scope="module")
def heard(tones, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "heard"
    return manako.train(tones, "resnet20", out=out, representation="waveform", **QUICK)


@pytest.mark.slow
def test_a_waveform_is_learned_and_every_path_gives_the_same_answer(heard, tones):
    assert heard.settings.signal.kind == "waveform"
    assert heard.settings.signal.rate_hz == RATE
    assert heard.headline.overall["accuracy"].value > 0.8
    recognizer = load_recognizer(heard.folder / "recognizer")
    assert isinstance(recognizer.model.backbone.conv1, torch.nn.Conv1d)
    scores = recognizer.evaluate(tones)
    assert scores.overall["accuracy"].value == heard.headline.overall["accuracy"].value
    paths = sorted((tones / "test").rglob("*.wav"))
    of_paths = recognizer.predict(paths)
    stored = [wavfile.read(path)[1] for path in paths]
    scaled = [samples.astype(np.float32)[None] / 2**15 for samples in stored]
    for arrays in (stored, scaled):
        assert [one.probabilities.tolist() for one in of_paths] == [
            one.probabilities.tolist() for one in recognizer.predict(arrays)
        ]


@pytest.mark.slow
def test_the_run_leaves_a_report_and_predictions_for_people(heard, capsys, tmp_path):
    report = (heard.folder / "report.html").read_text()
    assert "waveform, 1 channels" in report
    assert "2000 values a second" in report
    assert len((heard.folder / "predictions.csv").read_text().splitlines()) == 25
    drawn = tmp_path / "drawn"
    low = f"{heard.settings.data}/test/low"
    assert run(["predict", str(heard.folder), low, "--out", str(drawn), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 12
    assert len(list(drawn.glob("*.png"))) == 12


@pytest.mark.slow
def test_a_spectrogram_is_learned(tones, tmp_path):
    found = manako.train(tones, "resnet20", out=tmp_path / "run", **QUICK)
    form = found.settings.signal
    assert (form.kind, form.mel_window, form.mel_step) == ("log-mel", 64, 20)
    assert form.size[0] == 32
    assert found.headline.overall["accuracy"].value > 0.8


@pytest.mark.slow
def test_a_volume_is_learned(blobs, tmp_path):
    found = manako.train(blobs, "resnet20", out=tmp_path / "run", **{**QUICK, "steps": 60})
    assert found.settings.signal.size == (16, 16, 16)
    assert isinstance(found.recognizer.model.backbone.conv1, torch.nn.Conv3d)
    assert found.headline.overall["accuracy"].value > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("representation", ["waveform", "log-mel"])
def test_a_stopped_run_resumes_to_the_same_bits(tones, tmp_path, monkeypatch, representation):
    asked = {**QUICK, "steps": 8, "representation": representation}
    whole = manako.train(tones, "resnet20", out=tmp_path / "whole", workers=2, **asked)
    real = loop.learn

    def stop_at_three(network, batch, state, parts):
        if state.progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(network, batch, state, parts)

    monkeypatch.setattr(loop, "learn", stop_at_three)
    with pytest.raises(Stopped, match="after step 4"):
        manako.train(tones, "resnet20", out=tmp_path / "parts", **asked)
    monkeypatch.setattr(loop, "learn", real)
    resumed = manako.resume(tmp_path / "parts")

    manifests = [(run.folder / "recognizer" / "MANIFEST").read_bytes() for run in (whole, resumed)]
    assert manifests[0] == manifests[1]


def test_what_is_for_pictures_is_refused(tones, tmp_path):
    cases = (
        ({"mixup": 0.2}, "mixup is for pictures, and the data hold sounds"),
        ({"size_hw": (32, 32)}, "size hw is for pictures"),
        ({"augment": "photo"}, "the augmentation 'photo' is for pictures"),
        ({"signal_size": (8, 8, 8)}, "a size of 8x8x8 cannot be used for log-mel"),
        ({"signal_size": (2, 8)}, "a size of 2x8 cannot be used for log-mel"),
        ({"augment_options": {"stretch": 0.2}}, "stretch is for waveforms and series, and these"),
        ({"model": "lenet5"}, "lenet5 takes inputs of 28x28 only, not 32x"),
        ({"freeze": 90}, "stages"),
        ({"model": "all_cnn_c", "norm_statistics": "frozen"}, "all_cnn_c has no batch norms"),
        ({"model": "unet"}, "unet is a model for segmentation"),
        ({"model": "vit_b_16", "representation": "waveform"}, "vit_b_16 is not known for 1"),
    )
    for number, (asked, message) in enumerate(cases):
        with pytest.raises(UsageError, match=message):
            manako.train(tones, out=tmp_path / str(number), **{**QUICK, **asked})


def test_what_is_for_signals_is_refused_for_pictures(tmp_path):
    from manako.recipes.digits import write_digits

    digits = write_digits(tmp_path / "digits")
    for asked in ({"representation": "waveform"}, {"signal_size": (8,)}, {"augment": "signal"}):
        with pytest.raises(UsageError, match="the data hold pictures"):
            manako.train(digits, out=tmp_path / "run", **{**QUICK, **asked})


def test_a_representation_is_for_sounds(blobs, tmp_path):
    with pytest.raises(UsageError, match="a representation is chosen for sounds"):
        manako.train(blobs, out=tmp_path / "run", representation="waveform", **QUICK)


def test_the_same_signal_in_two_splits_is_refused(tones, tmp_path):
    import shutil

    copied = tmp_path / "tones"
    shutil.copytree(tones, copied)
    first = next((copied / "train" / "low").iterdir())
    shutil.copy(first, copied / "test" / "low" / "again.wav")
    with pytest.raises(DataError, match=r"1 signals of .* in more than one split: .*again\.wav"):
        manako.train(copied, "resnet20", out=tmp_path / "run", **QUICK)
    (copied / "train" / "low" / "cut.wav").write_bytes(first.read_bytes()[:100])
    with pytest.raises(DataError, match=r"1 signals of .* cannot be used: .*cut\.wav"):
        manako.train(copied, "resnet20", out=tmp_path / "run", **QUICK)


@pytest.mark.slow
def test_a_recognizer_refuses_other_signals(heard, blobs):
    recognizer = heard.recognizer
    with pytest.raises(DataError, match="signal 0 has 2 channels"):
        recognizer.predict([np.zeros((2, 500))])
    with pytest.raises(DataError, match="has 3 dimensions besides its channels"):
        recognizer.predict([next((blobs / "test").rglob("*.npy"))])
    with pytest.raises(UsageError, match="signal 0 is of type int"):
        recognizer.predict([7])
    with pytest.raises(UsageError, match="signal 0 is sound in int64"):
        recognizer.predict([np.zeros((1, 500), np.int64)])
    with pytest.raises(DataError, match="cannot read nowhere"):
        recognizer.predict(["nowhere.wav"])
    with pytest.raises(ShapeError, match="images must be uint8"):
        from manako.structures import Batch

        Batch(torch.zeros(1, 1, 8, dtype=torch.float64), (None,), (None,), ("a",))


def test_the_doctor_says_that_it_looks_at_pictures(tones, capsys):
    with pytest.raises(DataError, match="holds signals or volumes, and manako check looks at"):
        manako.check(tones)
    assert run(["check", str(tones)]) == 3
    assert "manako check looks at pictures" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("representation", ["waveform", "log-mel"])
def test_the_pre_flight_sees_signals_as_evaluation_does(tones, tmp_path, capsys, representation):
    asked = {**QUICK, "preflight": True, "steps": 2000, "save_seconds": 600}
    asked |= {"representation": representation, "stop_after": 1, "validate_every": 5}
    manako.train(tones, "resnet20", out=tmp_path / "run", **asked)
    assert "pre-flight" in capsys.readouterr().err


def test_a_failed_pre_flight_does_not_send_signals_to_the_doctor_of_pictures(tones, tmp_path):
    asked = {**QUICK, "preflight": True, "steps": 2000, "lr": 1e30, "clip_norm": 0.0}
    with pytest.raises(NumericError, match=r"the data are what they should be$") as caught:
        manako.train(tones, "resnet20", out=tmp_path / "run", **asked)
    assert caught.value.exit_code == 6
