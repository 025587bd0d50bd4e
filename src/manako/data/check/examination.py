"""What holds of the pictures of a data set, however they are divided; found once, then kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from manako.console.messages import warn
from manako.data.check.copies import find_copies
from manako.data.check.pictures import MaskFacts, Seen
from manako.data.check.scan import all_seen
from manako.data.dataset import Dataset, Item
from manako.data.names import WHOLE
from manako.errors import ResourceError
from manako.storage.caches import Cache

LAYOUT = 2
"""Counts up when what is found, or how it is written, changes."""

OUTSIZED = 16
"""So many times the median number of pixels is far above it."""
OUTSIZED_PIXELS = 2_000_000  # and at least that many: small pictures do no harm


@dataclass(frozen=True)
class Group:
    """Paths of the same picture; whether all their pixels are equal."""

    paths: tuple[str, ...]
    same_pixels: bool


@dataclass(frozen=True)
class Examination:
    """Of each picture what is wrong or odd, by path, and which are the same or look alike.

    `faults` is path -> why it cannot be used; `oddities` rows of (path, kind, what); `masks` path
    of the picture -> what its mask holds; `all_compared` is False where so many pictures resemble
    each other that copies may have been missed.
    """

    faults: Mapping[str, str]
    oddities: tuple[tuple[str, str, str], ...]
    copies: tuple[Group, ...]
    alike: tuple[tuple[str, str], ...]
    masks: Mapping[str, MaskFacts]
    all_compared: bool

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `as_json` gave. Errors: KeyError, TypeError or ValueError for anything else."""
        return cls(
            faults=dict(values["faults"]),
            oddities=tuple((path, kind, what) for path, kind, what in values["oddities"]),
            copies=tuple(Group(tuple(g["paths"]), g["same_pixels"]) for g in values["copies"]),
            alike=tuple((one, other) for one, other in values["alike"]),
            masks={
                path: MaskFacts(tuple(facts["classes"]), facts["ignored_share"])
                for path, facts in values["masks"].items()
            },
            all_compared=bool(values["all_compared"]),
        )


def examine(
    dataset: Dataset,
    *,
    workers: int,
    threads: int = 1,
    on_progress: Callable[[int], None] = lambda pictures: None,
) -> Examination:
    """Decode every picture once and compare all; from the cache where nothing has changed.

    By `workers` processes, or by threads of this one if 0. `on_progress` is told how many more
    pictures are decoded. Where the machine failed at one, nothing is kept: the next look may do
    better.
    """
    items = tuple(item for split in sorted(dataset.splits) for item in dataset.splits[split])
    cache, key = Cache("checked"), _key(dataset, items)
    found = _kept(cache.folder(key))
    if found is not None:
        return found
    seen = all_seen(dataset.files, items, workers=workers, threads=threads, on_progress=on_progress)
    copies = find_copies(dataset.files, items, seen, max(workers, threads))
    names = [item.image for item in items]
    examination = Examination(
        faults={name: one.error for name, one in zip(names, seen, strict=True) if one.error},
        oddities=(
            *((n, *odd) for n, one in zip(names, seen, strict=True) for odd in one.oddities),
            *_outsized(names, seen),
        ),
        copies=tuple(
            Group(tuple(names[i] for i in group), len({seen[i].digest for i in group}) == 1)
            for group in copies.groups
        ),
        alike=tuple((names[a], names[b]) for a, b in copies.alike),
        masks={n: one.mask for n, one in zip(names, seen, strict=True) if one.mask is not None},
        all_compared=copies.complete,
    )
    if not any(one.is_passing for one in seen):
        _keep(cache, key, examination)
    return examination


def _outsized(names: list[str], seen: list[Seen]) -> list[tuple[str, str, str]]:
    pixels = np.array([one.size_hw[0] * one.size_hw[1] for one in seen if not one.error])
    limit = max(OUTSIZED * float(np.median(pixels)), OUTSIZED_PIXELS) if len(pixels) else 0.0
    rows = []
    for name, one in zip(names, seen, strict=True):
        height, width = one.size_hw
        if height * width > limit and ("huge", f"{width:,} x {height:,}") not in one.oddities:
            rows.append((name, "huge", f"{width:,} x {height:,}, far above the median"))
    return rows


def _key(dataset: Dataset, items: tuple[Item, ...]) -> str:
    """A name for the files as they are and the pictures as they are annotated, in any division."""
    ordered = tuple(sorted(items, key=lambda item: item.image))
    whole = replace(dataset, splits={WHOLE: ordered})
    sizes_hw = [item.size_hw for item in ordered]
    content = [LAYOUT, dataset.files.cache_key(), whole.fingerprint(), sizes_hw]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _kept(folder: Path | None) -> Examination | None:
    if folder is None:
        return None
    try:
        text = (folder / "examination.json").read_text(encoding="utf-8")
        return Examination.from_json(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError):  # removed or damaged: made anew
        return None


def _keep(cache: Cache, key: str, examination: Examination) -> None:
    text = json.dumps(examination.as_json())

    def write(folder: Path) -> None:
        (folder / "examination.json").write_text(text, encoding="utf-8")

    try:
        cache.create(key, write)
    except ResourceError as error:
        warn(f"what was found cannot be kept, so the next run looks again: {error}")
