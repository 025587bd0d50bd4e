"""Volumes in NIfTI files (.nii, .nii.gz), as scanners' pictures are exchanged."""

from __future__ import annotations

import gzip
import importlib.util
import math
from typing import Any

import numpy as np

from manako.data.signals.signal import MOST_VALUES, Signal, as_values
from manako.errors import DataError, ResourceError


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
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        stored: Any = nibabel.nifti1.Nifti1Image.from_bytes(plain)
        image: Any = nibabel.funcs.as_closest_canonical(stored)  # type: ignore[no-untyped-call]
        if math.prod(image.shape) > MOST_VALUES:
            raise DataError(
                f"{name} holds {math.prod(image.shape):,} voxels",
                expected=f"at most {MOST_VALUES:,}",
            )
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
