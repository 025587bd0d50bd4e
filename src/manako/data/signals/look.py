"""What the signals of a data set look like: what its settings need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from manako.data.dataset import Dataset, Item
from manako.data.signals.reading import SignalReader
from manako.errors import DataError

MOST_LOOKED_AT = 200


@dataclass(frozen=True)
class SignalLook:
    """Sounds, series or volumes, their channels and rate, and the size that holds most of them."""

    kind: Literal["sounds", "series", "volumes"]
    channels: int
    rate_hz: float | None
    size: tuple[int, ...]
    longest: tuple[int, ...]


def look_at_signals(dataset: Dataset) -> SignalLook:
    """Read some training signals, evenly spaced, and describe them.

    Errors: DataError where they are not of one kind.
    """
    reader = SignalReader(dataset.files)
    items = _evenly(dataset.splits["train"])
    signals = [reader.read(item.image) for item in items]
    dims = {signal.values.ndim - 1 for signal in signals}
    channels = {len(signal.values) for signal in signals}
    rates = {signal.rate_hz for signal in signals}
    for what, found in (
        ("dimensions", sorted(map(str, dims))),
        ("channels", sorted(map(str, channels))),
        ("values a second", sorted(map(str, rates))),
    ):
        if len(found) > 1:
            raise DataError(
                f"{dataset.files.root} mixes signals of {' and '.join(found)} {what}",
                expected="signals of one kind",
            )
    sizes = np.array([signal.values.shape[1:] for signal in signals])
    sound = items[0].image.lower().endswith(".wav")
    return SignalLook(
        kind="volumes" if dims == {3} else "sounds" if sound else "series",
        channels=channels.pop(),
        rate_hz=rates.pop(),
        size=tuple(int(side) for side in np.quantile(sizes, 0.9, axis=0, method="higher")),
        longest=tuple(int(side) for side in sizes.max(axis=0)),
    )


def _evenly(items: Sequence[Item]) -> list[Item]:
    count = min(len(items), MOST_LOOKED_AT)
    return [items[index * len(items) // count] for index in range(count)]
