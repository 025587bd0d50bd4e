"""Sound in .wav files: PCM of 8 to 32 bits and floating point."""

from __future__ import annotations

import io
import warnings

import numpy as np
from scipy.io import wavfile

from manako.data.signals.signal import Signal, as_values
from manako.errors import DataError

_FULL_SCALE = {"uint8": 128.0, "int16": 2.0**15, "int32": 2.0**31, "int64": 2.0**63}


def decode_wav(data: bytes, name: str) -> Signal:
    """Sound as float32 [C, L] from -1 to 1, and its rate.

    Errors: DataError for what is no .wav file, is cut off, or is of a kind that is not read.
    """
    try:
        with warnings.catch_warnings():
            # Chunks that are unknown do no harm; an end that comes too early does.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="(?i)reached eof")
            rate, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # the reader raises many kinds on damaged files
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{name} cannot be read as sound ({reason})",
            expected="a whole .wav file, PCM or floating point",
            fix="copy it anew, convert it, or leave it out",
        ) from error
    _refuse_cut(data, samples, name)
    channels = samples.T if samples.ndim == 2 else samples[None]
    if channels.dtype.kind == "f":
        return Signal(as_values(channels, name), float(rate))
    middle = 128.0 if channels.dtype == np.uint8 else 0.0  # 8 bits are stored without a sign
    scaled = (channels.astype(np.float64) - middle) / _FULL_SCALE[channels.dtype.name]
    return Signal(as_values(scaled, name), float(rate))


def _refuse_cut(data: bytes, samples: np.ndarray, name: str) -> None:
    """Raise DataError where the header promises more bytes than there are."""
    at = data.find(b"data", 12)
    promised = int.from_bytes(data[at + 4 : at + 8], "little")
    if at >= 0 and promised < 0xFFFFFFFF and promised > len(data) - at - 8:
        raise DataError(
            f"{name} is cut off: {len(data) - at - 8:,} of {promised:,} bytes of sound are there",
            fix="copy it anew or leave it out",
        )
