"""Volumes in NIfTI files (.nii, .nii.gz), as scanners' pictures are exchanged."""

from __future__ import annotations

import gzip
import importlib.util
import io
import math
from typing import Any

import numpy as np

from manako.data.signals.signal import MOST_VALUES, Signal, as_values
from manako.errors import DataError, ResourceError

_MOST_BYTES = 8 * MOST_VALUES + 2**20  # the widest numbers, and the head


def decode_nifti(data: bytes, name: str) -> Signal:
    """A volume as float32 [C, D, H, W], in the values that the file means (slope and intercept).

    The axes are brought to one orientation, from left to right, from back to front and from below
    to above, so that volumes of different scanners lie alike; D, H and W are the third, second and
    first of them. A fourth index (time) is the channel.

    Errors: DataError for what is damaged or has other dimensions, ResourceError without nibabel.
    """
    if importlib.util.find_spec("nibabel") is None:
        raise ResourceError(
            f"{name} needs the package nibabel to be read",
            fix='pip install "manako[volumes]"',
        )
    import nibabel

    try:
        plain = _unpacked(data, name) if data[:2] == b"\x1f\x8b" else data
        stored: Any = nibabel.nifti1.Nifti1Image.from_bytes(plain)
        if math.prod(stored.shape) > MOST_VALUES:  # before any of them is made a number
            raise DataError(
                f"{name} holds {math.prod(stored.shape):,} voxels",
                expected=f"at most {MOST_VALUES:,}",
            )
        image: Any = nibabel.funcs.as_closest_canonical(stored)  # type: ignore[no-untyped-call]
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except DataError:
        raise
    except Exception as error:  # the reader raises many kinds on damaged files
        raise DataError(
            f"{name} cannot be read as a NIfTI volume ({error})",
            expected="a whole .nii or .nii.gz file",
            fix="copy it anew or leave it out",
        ) from error
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim not in (3, 4):
        raise DataError(f"{name} has {voxels.ndim} dimensions", expected="three, or four with time")
    channels = voxels if voxels.ndim == 4 else voxels[..., None]
    return Signal(as_values(channels.transpose(3, 2, 1, 0), name))


def _unpacked(data: bytes, name: str) -> bytes:
    """What was compressed; a few bytes could otherwise fill the memory."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        plain = packed.read(_MOST_BYTES + 1)
    if len(plain) > _MOST_BYTES:
        raise DataError(f"{name} unpacks to more than {_MOST_BYTES:,} bytes", fix="leave it out")
    return plain
