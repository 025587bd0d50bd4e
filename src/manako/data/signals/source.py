"""The signals of a split, read once and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from manako.config.signal_form import SignalForm
from manako.data.dataset import Item, MaskFile
from manako.data.files import FileTree
from manako.data.signals.reading import SignalReader, represented
from manako.structures import Sample

_MOST_MEASURED = 1000


@dataclass(frozen=True)
class SignalSource:
    """Samples by index; each caller gets values of its own."""

    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        kept = self.samples[index]
        return Sample(kept.image.clone(), kept.target, kept.name)


def load_signals(
    files: FileTree,
    items: Sequence[Item],
    form: SignalForm,
    *,
    on_progress: Callable[[int], None] = lambda count: None,
) -> SignalSource:
    """All signals of `items` in the form that a network takes. Errors: DataError."""
    reader = SignalReader(files)
    samples = []
    for item in items:
        values = represented(reader.read(item.image), form, item.image)
        assert not isinstance(item.truth, MaskFile)  # signals are classified, not segmented
        samples.append(Sample(values, item.truth, item.image))
        on_progress(1)
    return SignalSource(tuple(samples))


def measure_signals(source: SignalSource) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over the values of evenly spaced signals."""
    count = min(len(source), _MOST_MEASURED)
    chosen = [source[index * len(source) // count].image for index in range(count)]
    values = torch.cat([one.flatten(1) for one in chosen], 1).to(torch.float64)
    std = values.std(1, correction=0).clamp(min=1e-6)
    return _rounded(values.mean(1)), _rounded(std)


def _rounded(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values.tolist())
