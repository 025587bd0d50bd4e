"""The signals of a split, read once and kept in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from manako.config.signal_form import SignalForm
from manako.data.dataset import Item, MaskFile
from manako.data.evenly import evenly_spaced
from manako.data.files import FileTree
from manako.data.signals.reading import SignalReader, represented
from manako.errors import ResourceError
from manako.structures import Sample, Target

_MOST_MEASURED = 1000
_LEAST_CHANGE = 2e-7  # of the mean: less is how float32 rounds


@dataclass(frozen=True)
class SignalSource:
    """Samples by index; each caller gets values of its own."""

    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        kept = self.samples[index]
        return Sample(kept.image.clone(), kept.target, kept.name)

    def __reduce__(self) -> tuple[object, ...]:
        # As arrays: each tensor would take an open file.
        kept = ((one.image.numpy(), one.target, one.name) for one in self.samples)
        return _signal_source, (tuple(kept),)


def _signal_source(kept: Sequence[tuple[Any, Target | None, str]]) -> SignalSource:
    samples = (Sample(torch.from_numpy(values), truth, name) for values, truth, name in kept)
    return SignalSource(tuple(samples))


def load_signals(
    files: FileTree,
    items: Sequence[Item],
    form: SignalForm,
    *,
    on_progress: Callable[[int], None] = lambda count: None,
) -> SignalSource:
    """All signals of `items` in the form that a network takes.

    Errors: DataError; ResourceError where they need more than half of the memory.
    """
    reader = SignalReader(files)
    samples: list[Sample] = []
    bytes_left = _memory_bytes() / 2
    for item in items:
        values = represented(reader.read(item.image), form, item.image)
        assert not isinstance(item.truth, MaskFile)  # signals are classified, not segmented
        bytes_left -= values.numel() * values.element_size()
        if bytes_left < 0:
            raise ResourceError(
                f"the first {len(samples):,} of {len(items):,} signals fill half of the memory",
                fix="cut or resample them, use fewer, or a machine with more memory",
            )
        samples.append(Sample(values, item.truth, item.image))
        on_progress(1)
    return SignalSource(tuple(samples))


def _memory_bytes() -> float:
    """Of this machine; endless where the system does not tell."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return math.inf
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def measure_signals(source: SignalSource) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over the values of evenly spaced signals.

    The deviation of a channel that never changes is given as 1.
    """
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for sample in evenly_spaced(source, _MOST_MEASURED):
        values = sample.image.flatten(1).to(torch.float64)
        more, its_mean = values.shape[1], values.mean(1)
        # Chan et al. 1979: two groups put together without the difference of large numbers.
        apart = its_mean - mean
        squares = squares + values.var(1, correction=0) * more
        squares = squares + apart**2 * count * more / (count + more)
        mean = mean + apart * more / (count + more)
        count += more
    std = (squares / count).sqrt()
    std = torch.where(std > _LEAST_CHANGE * mean.abs(), std, 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())
