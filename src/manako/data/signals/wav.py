"""Sound in .wav files: PCM of 8 to 32 bits and floating point."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.io import wavfile

from manako.data.signals.signal import Signal, as_values
from manako.errors import DataError

Samples = npt.NDArray[Any]
_SIZE_ELSEWHERE = 0xFFFFFFFF  # of files of more than 4 GB
STORED = ("uint8", "int16", "int32")
"""Whole numbers in which arrays hold sound."""
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
    _refuse_cut(data, name)
    channels = samples.T if samples.ndim == 2 else samples[None]
    return Signal(as_values(loudness(channels), name), float(rate))


def loudness(samples: Samples) -> Samples:
    """Samples as sound cards give them, from -1 to 1; those in floating point are so already.

    >>> loudness(np.array([-32768, 0, 16384], np.int16)).tolist()
    [-1.0, 0.0, 0.5]
    """
    full = _FULL_SCALE.get(samples.dtype.name)
    if full is None:
        return samples
    middle = full if samples.dtype == np.uint8 else 0.0  # 8 bits are stored without a sign
    return (samples.astype(np.float64) - middle) / full


def _refuse_cut(data: bytes, name: str) -> None:
    """Raise DataError where the header promises more bytes than there are."""
    order: Literal["big", "little"] = "big" if data[:4] == b"RIFX" else "little"
    at = 12
    while at + 8 <= len(data):
        promised, there = int.from_bytes(data[at + 4 : at + 8], order), len(data) - at - 8
        if data[at : at + 4] == b"data" and there < promised < _SIZE_ELSEWHERE:
            raise DataError(
                f"{name} is cut off: {there:,} of {promised:,} bytes of sound are there",
                fix="copy it anew or leave it out",
            )
        at += 8 + promised + promised % 2
