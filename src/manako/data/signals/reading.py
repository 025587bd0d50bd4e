"""A signal from its address, and in the form that a network takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from manako.config import format_size
from manako.config.signal_form import SignalForm
from manako.data.decode import decode_levels
from manako.data.files import FileTree, FolderTree
from manako.data.signals.addresses import (
    ARRAYS,
    MANY,
    SOUNDS,
    TABLES,
    VOLUMES,
    files_at,
    is_one_of_many,
)
from manako.data.signals.mel import MelForm, log_mel
from manako.data.signals.series import decode_array, decode_table
from manako.data.signals.signal import Signal, as_values
from manako.data.signals.ts import Series, decode_ts
from manako.data.signals.volumes import decode_nifti
from manako.data.signals.wav import STORED, decode_wav, loudness
from manako.errors import DataError, UsageError

SAME_RATE = 1e-3
"""How far two rates may be apart and yet be one, relatively: clocks in tables are rounded."""

_DECODERS = (
    (SOUNDS, decode_wav),
    (TABLES, decode_table),
    (ARRAYS, decode_array),
    (VOLUMES, decode_nifti),
)


@dataclass
class SignalReader:
    """Signals by their address in `files`; a file of many series is parsed once."""

    files: FileTree
    _series: dict[str, Series] = field(default_factory=dict)

    def read(self, address: str) -> Signal:
        """What is there. Errors: DataError naming the file."""
        paths = files_at(address, self.files)
        if address.endswith("/"):
            return self._slices(address, paths)
        if paths[0] == address:
            return decode_signal(self.files.read(address), address)
        return _one_of(self.series(paths[0]), address)

    def series(self, path: str) -> Series:
        """All series of a .ts file."""
        if path not in self._series:
            self._series[path] = decode_ts(self.files.read(path), path)
        return self._series[path]

    def _slices(self, address: str, paths: tuple[str, ...]) -> Signal:
        if not paths:
            raise DataError(f"{address} holds no pictures", expected="a picture for each slice")
        slices = [decode_levels(self.files.read(path), path) for path in paths]
        for path, one in zip(paths, slices, strict=True):
            if one.shape != slices[0].shape:
                raise DataError(
                    f"{path} is {format_size(one.shape)} pixels (height x width)",
                    expected=f"{format_size(slices[0].shape)}, as {paths[0]}",
                )
        return Signal(as_values(np.stack(slices)[None], address))


def signal_at(path: Path) -> Signal:
    """The signal or volume of a file, of `FILE.ts#3` (counted from 0) or of a folder of slices.

    Errors: DataError naming the path.
    """
    try:
        if path.is_dir():
            folder = path.resolve()  # "." has no name
            tree = FolderTree.listed(folder.parent, [folder.name])
            return SignalReader(tree).read(f"{folder.name}/")
        if is_one_of_many(path.name) and not path.exists():
            return _one_of(series_at(Path(str(path).rpartition("#")[0])), str(path))
        if path.name.lower().endswith(MANY):
            count = len(series_at(path).values)
            raise DataError(
                f"{path} holds {count:,} series", expected=f"one of them, as in {path}#0"
            )
        return decode_signal(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}", expected="a signal or volume"
        ) from error


def signal_of(values: npt.NDArray[Any], form: SignalForm, name: str) -> Signal:
    """An array [C, *size] of a caller, in the rate of `form`.

    Sounds are from -1 to 1, or in whole numbers as sound cards give them. Errors: DataError as for
    files, UsageError for whole numbers of which nobody knows how loud 1 is.
    """
    if form.kind in ("waveform", "log-mel"):
        if values.dtype.kind in "iu" and values.dtype.name not in STORED:
            raise UsageError(
                f"{name} is sound in {values.dtype}, and how loud 1 is there is not known",
                expected=f"floating point from -1 to 1, or {', '.join(STORED)} as in files",
            )
        values = loudness(values)
    return Signal(as_values(values, name), form.rate_hz)


def series_at(path: Path) -> Series:
    """All series of a .ts file, which is parsed once, however many are wanted one by one."""
    info = path.stat()
    return _series_of(path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=1)
def _series_of(path: Path, size: int, changed_ns: int) -> Series:
    return decode_ts(path.read_bytes(), str(path))


def _one_of(series: Series, address: str) -> Signal:
    number = int(address.rpartition("#")[2])
    if number >= len(series.values):
        raise DataError(
            f"{address}: there is no series {number}",
            expected=f"a number from 0 to {len(series.values) - 1}",
        )
    return Signal(series.values[number])


def decode_signal(data: bytes, name: str) -> Signal:
    """A signal or volume from the bytes of a file, whose ending tells what it is."""
    for suffixes, decode in _DECODERS:
        if name.lower().endswith(suffixes):
            return decode(data, name)
    raise DataError(
        f"{name} is no signal or volume that can be read",
        expected="a file ending in " + ", ".join(one for ends, _ in _DECODERS for one in ends),
    )


def represented(signal: Signal, form: SignalForm, name: str) -> Tensor:
    """The signal as `form` wants it, float32 [C, *size], of its own length still.

    Errors: DataError for other channels, another number of dimensions, or another rate.
    """
    values = signal.values
    dims = 1 if form.kind == "log-mel" else form.dims
    if values.ndim - 1 != dims:
        raise DataError(
            f"{name} has {values.ndim - 1} dimensions besides its channels",
            expected=f"{dims}, as the others",
        )
    if len(values) != form.channels:
        raise DataError(
            f"{name} has {len(values)} channels", expected=f"{form.channels}, as the others"
        )
    both = signal.rate_hz is not None and form.rate_hz is not None
    if both and not np.isclose(signal.rate_hz, form.rate_hz, rtol=SAME_RATE):  # type: ignore[arg-type]
        raise DataError(
            f"{name} has {signal.rate_hz:g} values a second",
            expected=f"{form.rate_hz:g}, as the others",
            fix="resample it",
        )
    if form.kind == "log-mel":
        bands = MelForm(form.mel_window, form.mel_step, form.size[0])
        values = log_mel(values, form.rate_hz or 8000.0, bands)
    return torch.from_numpy(np.ascontiguousarray(values))
