"""What the data of a run look like: what its settings and its report need to know."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from manako.data.dataset import Dataset, load_sample
from manako.data.decoded import SampleSource
from manako.data.evenly import evenly_spaced
from manako.data.preparation import Preparation
from manako.data.strata import pictures_showing

_LOOKED_AT = 64  # pictures that decide on size and colour
_MEASURED = 1000  # pictures that mean and deviation are taken from


@dataclass(frozen=True)
class Look:
    """What a few pictures of a training split look like."""

    size_hw: tuple[int, int]  # median height and width
    grey: bool  # whether none of them shows a colour


def look_at(dataset: Dataset) -> Look:
    """Decode a few training pictures, evenly spaced, and describe them."""
    items = evenly_spaced(dataset.splits["train"], _LOOKED_AT)
    samples = [load_sample(dataset.files, item, 3) for item in items]
    heights = sorted(sample.size_hw[0] for sample in samples)
    widths = sorted(sample.size_hw[1] for sample in samples)
    middle = len(samples) // 2
    grey = all(
        bool((one.image[0] == one.image[1]).all() and (one.image[0] == one.image[2]).all())
        for one in samples
    )
    return Look((heights[middle], widths[middle]), grey)


def measure_normalisation(
    source: SampleSource, preparation: Preparation
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, in 0..1, over evenly spaced prepared pictures."""
    count = min(len(source), _MEASURED)
    total = torch.zeros(preparation.channels, dtype=torch.float64)
    square = torch.zeros(preparation.channels, dtype=torch.float64)
    for sample in evenly_spaced(source, _MEASURED):
        image, _ = preparation.prepare(sample.image)
        values = image.to(torch.float64).flatten(1) / 255
        total += values.mean(dim=1)
        square += (values**2).mean(dim=1)
    mean = total / count
    std = (square / count - mean**2).clamp(min=0).sqrt().clamp(min=1 / 255)
    return _rounded(mean), _rounded(std)


def balanced_weights(dataset: Dataset) -> tuple[float, ...]:
    """For each class, how much its training pictures count so that all classes count alike.

    Of n pictures, n_c of class c among K: n / (K n_c) for classification, so that the mean over the
    pictures is 1; (n - n_c) / n_c for multilabel, where a class that is shown weighs as much as
    its absence. A class without pictures has the weight 0; one that all pictures show has 1.
    """
    items = dataset.splits["train"]
    shown, total, classes = pictures_showing(items), len(items), len(dataset.classes)
    counts = [shown[label] for label in range(classes)]
    if dataset.task == "multilabel":
        return tuple(
            (total - count) / count if 0 < count < total else float(count == total)
            for count in counts
        )
    return tuple(total / (classes * count) if count else 0.0 for count in counts)


def _rounded(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values.tolist())
