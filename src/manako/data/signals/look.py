"""What the signals of a data set look like: what its settings need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from manako.data.dataset import Dataset, Item
from manako.data.evenly import evenly_spaced
from manako.data.signals.reading import SAME_RATE, SignalReader
from manako.errors import DataError

MOST_LOOKED_AT = 200


@dataclass(frozen=True)
class SignalLook:
    """Sounds, series or volumes, their channels and rate, and the size that holds most of them."""

    kind: Literal["sounds", "series", "volumes"]
    channels: int
    rate_hz: float | None
    size: tuple[int, ...]


def look_at_signals(dataset: Dataset) -> SignalLook:
    """Read some training signals, evenly spaced, and describe them.

    Errors: DataError where they are not of one kind, naming two that differ.
    """
    reader = SignalReader(dataset.files)
    items = list(evenly_spaced(dataset.splits["train"], MOST_LOOKED_AT))
    shapes: list[tuple[int, ...]] = []
    rates: list[float | None] = []
    for item in items:  # one at a time: volumes are large
        signal = reader.read(item.image)
        shapes.append(signal.values.shape)
        rates.append(signal.rate_hz)
    _check_alike("dimensions", items, [len(shape) - 1 for shape in shapes])
    _check_alike("channels", items, [shape[0] for shape in shapes])
    rated = [(item, rate) for item, rate in zip(items, rates, strict=True) if rate is not None]
    _check_alike("values a second", [item for item, _ in rated], [rate for _, rate in rated])
    sizes = np.array([shape[1:] for shape in shapes])
    sound = items[0].image.lower().endswith(".wav")
    return SignalLook(
        kind="volumes" if len(shapes[0]) == 4 else "sounds" if sound else "series",
        channels=shapes[0][0],
        rate_hz=rated[0][1] if rated else None,
        size=tuple(int(side) for side in np.quantile(sizes, 0.9, axis=0, method="higher")),
    )


def _check_alike(what: str, items: Sequence[Item], numbers: Sequence[float]) -> None:
    for item, number in zip(items, numbers, strict=True):
        if not np.isclose(number, numbers[0], rtol=SAME_RATE, atol=0):
            raise DataError(
                f"signals of {numbers[0]:g} and {number:g} {what}: {items[0].image}, {item.image}",
                expected="signals of one kind",
            )
