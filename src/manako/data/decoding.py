"""Decoding a whole split into three files, by several threads at once.

`pictures` and `masks` are raw bytes (the channels of a pixel side by side), in the order in which
threads come to write; `places.npy` [N, 3] says how many pixels lie before each picture, its height
and its width. The mask of a picture lies at the same pixels. Each thread decodes a portion and
writes it itself: to hand new memory to the disk can take as long as to decode a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from manako.structures import MaskTarget, Sample

PICTURES, MASKS, PLACES = "pictures", "masks", "places.npy"

Load = Callable[[int], Sample]


class TooLarge(Exception):  # noqa: N818 - no error: it only ends the writing
    """The decoded pictures take more than the limit."""


def write_decoded(
    into: Path,
    load: Load,
    portions: list[range],
    *,
    threads: int,
    limit_bytes: int,
    on_progress: Callable[[int], None],
) -> None:
    """Write the samples that `load` gives for the indices of all `portions`, which are 0 .. N-1.

    `on_progress` is told how many pictures each portion had, in their order. Raises TooLarge once
    more than `limit_bytes` would be written, else what `load` raises for the first picture that
    fails, and OSError where the disk refuses.
    """
    writer = _Writer(into, load, limit_bytes)
    for name in (PICTURES, MASKS):
        (into / name).touch()
    places: list[tuple[int, int, int]] = []
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decoding")
    try:
        for written in pool.map(writer.write, portions):
            places += written
            on_progress(len(written))
    finally:
        pool.shutdown(cancel_futures=True)
    np.save(into / PLACES, np.array(places, dtype=np.int64), allow_pickle=False)


@dataclass
class _Writer:
    into: Path
    load: Load
    limit_bytes: int
    pixels: int = 0
    bytes: int = 0
    lock: Lock = field(default_factory=Lock)

    def write(self, portion: range) -> list[tuple[int, int, int]]:
        """Decode and write a portion; the places of its pictures."""
        samples = [self.load(index) for index in portion]
        start = self._reserve(samples)
        places = []
        with (
            (self.into / PICTURES).open("r+b") as pictures,
            (self.into / MASKS).open("r+b") as masks,
        ):
            for sample in samples:
                channels, height, width = sample.image.shape
                pictures.seek(start * channels)
                pictures.write(sample.image.permute(1, 2, 0).contiguous().numpy().data)
                if isinstance(sample.target, MaskTarget):
                    masks.seek(start)
                    masks.write(sample.target.mask.contiguous().numpy().data)
                places.append((start, height, width))
                start += height * width
        return places

    def _reserve(self, samples: list[Sample]) -> int:
        """How many pixels lie before these."""
        pixels = sum(height * width for height, width in (one.size_hw for one in samples))
        size = sum(_bytes(one) for one in samples)
        with self.lock:
            if self.bytes + size > self.limit_bytes:
                raise TooLarge
            start = self.pixels
            self.pixels += pixels
            self.bytes += size
        return start


def _bytes(sample: Sample) -> int:
    mask = sample.target.mask.numel() if isinstance(sample.target, MaskTarget) else 0
    return sample.image.numel() + mask
