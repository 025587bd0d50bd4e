"""A data set, opened: its records said in one line, its pictures decoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manako.config.signal_form import SignalForm
from manako.console.messages import say
from manako.console.progress import track
from manako.data.dataset import Dataset
from manako.data.decoded import SampleSource, decoded_split
from manako.data.exclusion import without_excluded
from manako.data.formats import read_dataset
from manako.data.names import split_name
from manako.data.selection import Selection
from manako.data.signals.source import load_signals
from manako.data.split import with_validation
from manako.errors import DataError

DECODED_LIMIT_BYTES = 4 * 2**30
"""Splits whose decoded pictures take more than that are decoded when asked for."""


@dataclass(frozen=True)
class OpenData:
    """A data set split and ready; `sources` has an entry for each split that has pictures."""

    dataset: Dataset
    sources: Mapping[str, SampleSource]

    def source(self, split: str) -> SampleSource:
        """The samples of `split`, refused with the known names if there is none."""
        if split not in self.sources:
            raise DataError(
                f"the data set has no pictures in split {split!r}",
                expected="one of "
                + ", ".join(n for n, items in self.dataset.splits.items() if items),
            )
        return self.sources[split]


def read_for_training(path: str | Path, selection: Selection) -> Dataset:
    """What `path` holds, divided as `selection` asks; one line and notes say what was found."""
    dataset = with_validation(read_dataset(Path(path)), selection)
    return _said(without_excluded(dataset, selection.excluded))


def read_for_scoring(
    path: str | Path, classes: Sequence[str], selection: Selection, split: str | None = None
) -> tuple[Dataset, str]:
    """What `path` holds and the split to score: `split`, else the test or validation pictures.

    Labels are bound to `classes` by name. Splits that are there are taken as they are; only where
    the wanted one is missing, or is one that a fold divides anew, are the data divided by
    `selection`, as for training. `split="all"` takes the pictures of a set without splits together.
    """
    dataset = read_dataset(Path(path), classes=classes)
    split = split and (split_name(split) or split)
    present = [name for name in ("test", "val") if dataset.splits.get(name)]
    chosen = split or (present[0] if present else "")
    is_folded = selection.fold is not None and "train" in dataset.splits and chosen != "test"
    if chosen not in dataset.splits or is_folded:
        dataset = with_validation(dataset, selection)
        chosen = chosen or ("test" if dataset.splits.get("test") else "val")
    dataset.split(chosen)  # refused by name, with those there are
    return _said(without_excluded(dataset, selection.excluded, needed=(chosen,))), chosen


def is_fingerprint_of(
    fingerprint: str, path: str | Path, classes: Sequence[str], selection: Selection
) -> bool:
    """Whether a run on what `path` holds, divided as `selection` asks, has that fingerprint."""
    try:
        dataset = with_validation(read_dataset(Path(path), classes=classes), selection)
        return without_excluded(dataset, selection.excluded).fingerprint() == fingerprint
    except DataError:  # nothing to train with: no data of a run
        return False


def _said(dataset: Dataset) -> Dataset:
    say(dataset.described())
    for note in dataset.notes:
        say(f"note: {note}")
    return dataset


def open_sources(
    dataset: Dataset,
    channels: int,
    *,
    workers: int,
    splits: Sequence[str] | None = None,
    form: SignalForm | None = None,
) -> OpenData:
    """Decode the pictures of `splits` (all of them by default) once, where they fit.

    Signals and volumes are read in the given `form`, and kept in memory.
    """
    sources: dict[str, SampleSource] = {}
    for split, items in dataset.splits.items():
        if not items or (splits is not None and split not in splits):
            continue
        if form is not None:
            with track(f"reading {split}", total=len(items), unit="signals") as bar:
                sources[split] = load_signals(dataset.files, items, form, on_progress=bar.advance)
            continue
        with track(f"decoding {split}", total=len(items), unit="pictures") as bar:
            sources[split] = decoded_split(
                dataset.files,
                items,
                channels,
                limit_bytes=DECODED_LIMIT_BYTES,
                workers=max(1, workers),
                on_progress=lambda count, bar=bar: bar.advance(count),  # type: ignore[misc]
            )
    return OpenData(dataset, sources)
