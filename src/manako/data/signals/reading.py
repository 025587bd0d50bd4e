"""A signal from its address, and in the form that a network takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from manako.config.signal_form import SignalForm
from manako.data.decode import decode_image
from manako.data.files import FileTree
from manako.data.signals.addresses import ARRAYS, SOUNDS, TABLES, VOLUMES, files_at
from manako.data.signals.mel import MelForm, log_mel
from manako.data.signals.series import decode_array, decode_table
from manako.data.signals.signal import Signal, as_values
from manako.data.signals.ts import Series, decode_ts
from manako.data.signals.volumes import decode_nifti
from manako.data.signals.wav import decode_wav
from manako.errors import DataError

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
        number = int(address.rpartition("#")[2])
        return Signal(self.series(paths[0]).values[number])

    def series(self, path: str) -> Series:
        """All series of a .ts file."""
        if path not in self._series:
            self._series[path] = decode_ts(self.files.read(path), path)
        return self._series[path]

    def _slices(self, address: str, paths: tuple[str, ...]) -> Signal:
        if not paths:
            raise DataError(f"{address} holds no pictures", expected="a picture for each slice")
        slices = [decode_image(self.files.read(path), path, channels=1)[0] for path in paths]
        for path, one in zip(paths, slices, strict=True):
            if one.shape != slices[0].shape:
                raise DataError(
                    f"{path} is {one.shape[1]} x {one.shape[0]} pixels",
                    expected=f"{slices[0].shape[1]} x {slices[0].shape[0]}, as {paths[0]}",
                )
        return Signal(as_values(torch.stack(slices)[None].numpy(), address))


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
    if both and not np.isclose(signal.rate_hz, form.rate_hz, rtol=1e-3):  # type: ignore[arg-type]
        raise DataError(
            f"{name} has {signal.rate_hz:g} values a second",
            expected=f"{form.rate_hz:g}, as the others",
            fix="resample it",
        )
    if form.kind == "log-mel":
        bands = MelForm(form.mel_window, form.mel_step, form.size[0])
        values = log_mel(values, form.rate_hz or 8000.0, bands)
    return torch.from_numpy(np.ascontiguousarray(values))
