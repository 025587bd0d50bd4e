"""Samples by index: decoded anew each time, or once and kept.

A split of small pictures fits on disk undecoded many times over, and reading a decoded picture
through a memory map takes microseconds where decoding takes a hundred. The cache of a split is a
folder with the files of `manako.data.decoding`, made from the same `load_sample` that reads
without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from manako.console.messages import warn
from manako.data.dataset import Item, MaskFile, load_sample
from manako.data.decode import image_size_hw
from manako.data.decoding import MASKS, PICTURES, PLACES, TooLarge, write_decoded
from manako.data.files import FileTree
from manako.data.parcels import to_arrays, to_tensors
from manako.errors import ResourceError
from manako.storage.caches import Cache, hold
from manako.structures import MaskTarget, Sample

LAYOUT = 4
"""Counts up when the files of the cache, or how pictures are decoded, change."""

CHUNK_BYTES = 4_000_000  # about so much is decoded in one go
PROBES = 32  # so many pictures are looked at to guess the size of all


class SampleSource(Protocol):
    """Samples by index, with their truth. A source can be pickled and read in any process."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> Sample:
        """One of them; its tensors belong to the caller."""


@dataclass(frozen=True)
class DecodingSource:
    """Samples decoded from their files each time they are asked for."""

    files: FileTree
    items: tuple[Item, ...]
    channels: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        return load_sample(self.files, self.items[index], self.channels)

    def __reduce__(self) -> tuple[object, ...]:
        return _decoding_source, (self.files, _packed(self.items), self.channels)


@dataclass(frozen=True)
class DecodedSplit:
    """Samples copied from the cache in `folder`; the files are opened when first needed."""

    folder: Path
    items: tuple[Item, ...]
    channels: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        item = self.items[index]
        start, height, width = self._places[index]
        pixels = height * width
        # Copies: the maps are read-only, and whoever gets a sample may change it.
        levels = self._pictures[self.channels * start : self.channels * (start + pixels)].copy()
        image = torch.from_numpy(levels.reshape(height, width, self.channels)).permute(2, 0, 1)
        if not isinstance(item.truth, MaskFile):
            return Sample(image, item.truth, item.image)
        classes = self._masks[start : start + pixels].copy()
        return Sample(
            image, MaskTarget(torch.from_numpy(classes.reshape(height, width))), item.image
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Memory maps do not travel between processes; each opens its own.
        return _decoded_split, (self.folder, _packed(self.items), self.channels)

    @cached_property
    def _places(self) -> list[list[int]]:
        """Of each picture: how many pixels come before it, its height and width."""
        try:
            places: list[list[int]] = np.load(self.folder / PLACES, allow_pickle=False).tolist()
        except FileNotFoundError as error:
            raise self._gone() from error
        return places

    @cached_property
    def _pictures(self) -> NDArray[np.uint8]:
        return self._mapped(PICTURES)

    @cached_property
    def _masks(self) -> NDArray[np.uint8]:
        return self._mapped(MASKS)

    def _mapped(self, name: str) -> NDArray[np.uint8]:
        try:
            return np.asarray(np.memmap(self.folder / name, np.uint8, mode="r"))
        except FileNotFoundError as error:
            raise self._gone() from error

    def _gone(self) -> ResourceError:
        return ResourceError(
            f"the decoded pictures in {self.folder} were removed while they were needed",
            fix="run again; they are decoded anew",
        )


def decoded_split(
    files: FileTree,
    items: tuple[Item, ...],
    channels: int,
    *,
    limit_bytes: int,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda pictures: None,
) -> SampleSource:
    """The samples of a split, from the cache if their pixels take at most `limit_bytes`.

    Decodes them all first where the cache does not have them yet, in `workers` threads and one in
    place of the caller, who waits; `on_progress` is told how many pictures each portion had. Where
    they take more, or the disk refuses them (of which a warning tells), they are decoded whenever
    they are needed.

    Errors: DataError naming the file that cannot be decoded.
    """
    plain = DecodingSource(files, items, channels)
    if not items or limit_bytes <= 0:
        return plain
    cache, key = Cache("decoded"), _key(plain)
    folder = cache.folder(key)
    if folder is None:
        expected_bytes = len(items) * _mean_bytes(plain)
        if expected_bytes > 1.5 * limit_bytes:  # a guess: only what is clear is settled by it
            return plain
        portion = min(int(CHUNK_BYTES // max(expected_bytes / len(items), 1)) or 1, 64)
        portions = [
            range(start, min(start + portion, len(items)))
            for start in range(0, len(items), portion)
        ]

        def write(into: Path) -> None:
            write_decoded(
                into,
                plain.__getitem__,
                portions,
                threads=max(workers, 1) + 1,
                limit_bytes=limit_bytes,
                on_progress=on_progress,
            )

        try:
            folder = cache.create(key, write, hashed=False)
        except TooLarge:
            return plain
        except ResourceError as error:
            warn(f"decoded pictures cannot be kept, so training is slower: {error}")
            return plain
    return DecodedSplit(hold(folder), items, channels)


_Packed = tuple[tuple[Any, ...], ...]


def _packed(items: tuple[Item, ...]) -> _Packed:
    """Items as they go to another process, without tensors."""
    return tuple((one.image, to_arrays(one.truth), one.group, one.size_hw) for one in items)


def _unpacked(items: _Packed) -> tuple[Item, ...]:
    return tuple(_item(*one) for one in items)


def _item(image: str, arrays: Any, group: str | None, size_hw: tuple[int, int] | None) -> Item:
    truth: Any = to_tensors(arrays)
    return Item(image, truth, group, size_hw)


def _decoding_source(files: FileTree, items: _Packed, channels: int) -> DecodingSource:
    return DecodingSource(files, _unpacked(items), channels)


def _decoded_split(folder: Path, items: _Packed, channels: int) -> DecodedSplit:
    return DecodedSplit(folder, _unpacked(items), channels)


def _key(source: DecodingSource) -> str:
    rows: list[list[object]] = []
    for item in source.items:
        rows.append([item.image, item.size_hw])
        if isinstance(item.truth, MaskFile):
            values = item.truth.values
            rows.append([item.truth.path, None if values is None else sorted(values.items())])
    content: list[Any] = [LAYOUT, source.files.cache_key(), source.channels, rows]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _mean_bytes(source: DecodingSource) -> float:
    """Bytes of a decoded picture and its mask, on average over some."""
    probed = source.items[:: -(-len(source.items) // PROBES)]
    total = 0
    for item in probed:
        height, width = image_size_hw(source.files.read(item.image), item.image)
        total += height * width * (source.channels + isinstance(item.truth, MaskFile))
    return total / len(probed)
