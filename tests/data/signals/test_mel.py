"""Spectrograms against an independent implementation, and against tones."""

from __future__ import annotations

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from manako.data.signals.mel import MelForm, hertz, log_mel, mel_filters, mels
from manako.errors import UsageError

RATE = 8000


def test_filters_and_spectrogram_are_those_of_transformers():
    form = MelForm(window=256, step=80, bands=40)
    theirs = mel_filter_bank(129, 40, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk")
    np.testing.assert_allclose(mel_filters(256, 40, RATE), theirs.T, atol=1e-9)

    sound = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    expected = spectrogram(
        sound,
        window_function(256, "hann"),
        frame_length=256,
        hop_length=80,
        power=2.0,
        center=True,
        pad_mode="constant",
        mel_filters=theirs,
        mel_floor=1e-10,
        log_mel="dB",
    )
    found = log_mel(sound[None], RATE, form)[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("pitch", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_its_band_all_the_time(pitch):
    form = MelForm(bands=32)
    seconds = np.arange(4000) / RATE
    found = log_mel(np.sin(2 * np.pi * pitch * seconds)[None].astype(np.float32), RATE, form)[0]
    middles = hertz(np.linspace(0, mels(RATE / 2), form.bands + 2))[1:-1]
    assert set(found[:, 2:-2].argmax(0)) == {int(np.abs(middles - pitch).argmin())}


def test_twice_as_loud_is_6_decibels_more():
    sound = np.random.default_rng(0).standard_normal((2, 1600)).astype(np.float32)
    louder = log_mel(2 * sound, RATE, MelForm()) - log_mel(sound, RATE, MelForm())
    np.testing.assert_allclose(louder, 20 * np.log10(2), atol=1e-3)
    assert np.isfinite(log_mel(np.zeros((1, 100), np.float32), RATE, MelForm())).all()


def test_no_band_is_empty_however_narrow():
    sound = np.random.default_rng(0).standard_normal((1, 400)).astype(np.float32)
    found = log_mel(sound, 1000, MelForm(window=32, step=10, bands=32))[0]
    assert found.max(1).min() > -30
    theirs = mel_filter_bank(33, 32, 0.0, 500.0, 1000, norm=None, mel_scale="htk")
    expected = spectrogram(
        sound[0], window_function(32, "hann"), frame_length=32, hop_length=10, fft_length=64,
        power=2.0, center=True, pad_mode="constant", mel_filters=theirs, mel_floor=1e-10,
        log_mel="dB",
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_forms_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="a spectrogram of 600 bands from windows of 256"):
        MelForm(bands=600)
    with pytest.raises(UsageError, match="every 0 values"):
        MelForm(step=0)
