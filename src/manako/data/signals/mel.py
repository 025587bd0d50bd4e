"""The log-mel spectrogram: how loud a sound is, pitch by pitch, moment by moment.

The power of the short-time Fourier transform (Hann windows, centred), summed in bands that are
triangles of equal width on the mel scale, in decibels.

    mel(f) = 2595 log10(1 + f / 700)       (O'Shaughnessy 1987)

The lowest bands may be narrower than the frequencies of a window lie apart. Windows are then
transformed with zeros at their end, which gives frequencies in between, until no band is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manako.data.signals.signal import Values
from manako.errors import UsageError

FLOOR = 1e-10  # of power: -100 dB
MOST_BANDS = 512


@dataclass(frozen=True)
class MelForm:
    """Windows of `window` values every `step`, and `bands` from 0 Hz to half the rate."""

    window: int = 256
    step: int = 80
    bands: int = 64

    def __post_init__(self) -> None:
        if self.window < 2 or self.step < 1 or not 1 <= self.bands <= MOST_BANDS:
            raise UsageError(
                f"a spectrogram of {self.bands} bands from windows of {self.window} every "
                f"{self.step} values",
                expected=f"1 to {MOST_BANDS} bands, and windows of 2 values or more",
            )


def log_mel(sound: Values, rate_hz: float, form: MelForm) -> Values:
    """[C, L] -> [C, bands, L // step + 1] in decibels, the lowest band first.

    >>> log_mel(np.zeros((1, 800), np.float32), 8000, MelForm()).shape
    (1, 64, 11)
    """
    half = form.window // 2
    padded = np.pad(sound, ((0, 0), (half, half)), mode="constant")
    count = sound.shape[1] // form.step + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, form.window, axis=1)
    moments = windows[:, : count * form.step : form.step] * np.hanning(form.window + 1)[:-1]
    length = fft_length(form.window, form.bands, rate_hz)
    power = np.abs(np.fft.rfft(moments, length, axis=2)) ** 2
    bands = power @ mel_filters(length, form.bands, rate_hz).T
    decibels = 10 * np.log10(np.maximum(bands, FLOOR))
    return np.ascontiguousarray(decibels.transpose(0, 2, 1), dtype=np.float32)


@lru_cache(maxsize=8)
def fft_length(window: int, bands: int, rate_hz: float) -> int:
    """`window`, or so many times twice as much that each band has a frequency in it.

    >>> fft_length(256, 64, 8000), fft_length(32, 32, 1000)
    (256, 64)
    """
    length = window
    while not mel_filters(length, bands, rate_hz).any(axis=1).all():
        length *= 2
    return length


@lru_cache(maxsize=8)
def mel_filters(length: int, bands: int, rate_hz: float) -> npt.NDArray[np.float64]:
    """Triangles [bands, length // 2 + 1] over the frequencies of a transform, with peaks of 1."""
    edges = hertz(np.linspace(0.0, mels(rate_hz / 2), bands + 2))
    frequencies = np.fft.rfftfreq(length, 1 / rate_hz)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    return np.maximum(0.0, np.minimum(rising, falling))


def mels(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Frequencies on the mel scale."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, float) / 700.0)


def hertz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """And back.

    >>> float(hertz(mels(440.0)).round(6))
    440.0
    """
    return 700.0 * (10.0 ** (np.asarray(mel, float) / 2595.0) - 1.0)
