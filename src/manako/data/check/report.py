"""What the doctor found in a data set as it is divided, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from manako.data.check.examination import Examination, examine
from manako.data.dataset import Dataset, Item, MaskFile
from manako.data.names import is_picture
from manako.structures import ClassTarget, LabelsTarget

ODDITIES = {
    "blank": "of a single colour",
    "ending": "named as if in another format",
    "turned": "with an EXIF orientation, used as it asks",
    "deep": "with more than 8 bits per channel, used with 8",
    "cmyk": "in colours for print, used as RGB",
    "transparent": "with transparency, used over white",
    "animated": "in motion, used for the first frame",
    "tiny": "with a side below 16 pixels",
    "huge": "of very many pixels",
    "box_empty": "with boxes without an area",
    "box_outside": "with boxes that reach out of the picture",
    "box_tiny": "with boxes less than 3 pixels wide or high",
    "boxless": "without a box",
}
"""Kind -> what pictures of this kind are, after "7 pictures ..."; the worst first."""


@dataclass(frozen=True)
class Fault:
    """A picture that cannot be used, and why."""

    path: str
    split: str
    error: str


@dataclass(frozen=True)
class Place:
    """Where a picture lies and what it is said to be; `truth` is empty for boxes and masks."""

    path: str
    split: str
    truth: str


@dataclass(frozen=True)
class Same:
    """One picture in several places; `same_pixels` is False where it was coded or scaled anew."""

    places: tuple[Place, ...]
    same_pixels: bool

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits it is in, each once."""
        return tuple(dict.fromkeys(place.split for place in self.places))

    @property
    def is_contradiction(self) -> bool:
        """Whether it is said to be different things."""
        return len({place.truth for place in self.places if place.truth}) > 1


@dataclass(frozen=True)
class DataReport:
    """Everything found in a data set.

    A picture found in several places is in one of `leaks` (in more than one split), `conflicts`
    (in one split under different labels) and `repeats`. `alike` are pairs that look alike without
    being the same, such as frames of one scene. `oddities` is kind (see `ODDITIES`) -> rows of
    (path, what). `class_counts` is split -> class -> pictures, boxes, or pictures that show the
    class. `ignored_shares` is split -> the share of the pixels of masks that do not count.
    `unused` are pictures beside the set. `all_compared` is False where so many pictures resemble
    each other that copies may have been missed.
    """

    root: str
    task: str
    format: str
    splits: Mapping[str, int]
    class_counts: Mapping[str, Mapping[str, int]]
    faults: tuple[Fault, ...]
    leaks: tuple[Same, ...]
    conflicts: tuple[Same, ...]
    repeats: tuple[Same, ...]
    alike: tuple[tuple[Place, Place], ...]
    oddities: Mapping[str, tuple[tuple[str, str], ...]]
    ignored_shares: Mapping[str, float]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    all_compared: bool

    @property
    def absent(self) -> dict[str, list[str]]:
        """Split -> the classes it holds nothing of, for splits that lack any."""
        lacking = {
            split: [name for name, count in counts.items() if not count]
            for split, counts in self.class_counts.items()
        }
        return {split: names for split, names in lacking.items() if names}

    @property
    def imbalance(self) -> float | None:
        """How many times as often as the rarest class the most frequent one is in train."""
        counts = [count for count in self.class_counts.get("train", {}).values() if count]
        return max(counts) / min(counts) if len(counts) > 1 else None

    def is_fit(self, *, allow_leakage: bool = False) -> bool:
        """Whether a run would take the data."""
        return not self.faults and (allow_leakage or not self.leaks)

    def as_json(self, *, allow_leakage: bool = False) -> dict[str, Any]:
        """As plain values, with what follows from them."""
        return {
            "fit": self.is_fit(allow_leakage=allow_leakage),
            **asdict(self),
            "absent": self.absent,
            "imbalance": self.imbalance,
        }


_RANK = ("test", "val", "train")
"""Splits in the order in which a picture that is in several should stay."""


def check_dataset(
    dataset: Dataset,
    *,
    workers: int,
    threads: int = 1,
    on_progress: Callable[[int], None] = lambda pictures: None,
) -> DataReport:
    """Look at every picture of `dataset`, as it is divided.

    By `workers` processes, which name a picture that ends or hangs one, or if 0 by threads of
    this process. `on_progress` is told how many more pictures are done. What was found is kept:
    until the files change, another check takes no time. Errors: ResourceError where no process
    can be started.
    """
    shown = sorted(dataset.splits, key=lambda name: (*reversed(_RANK), name).index(name))
    found = examine(dataset, workers=workers, threads=threads, on_progress=on_progress)
    places = {
        item.image: Place(item.image, split, _truth(item, dataset.classes))
        for split in sorted(dataset.splits, key=lambda name: (*_RANK, name).index(name))
        for item in dataset.splits[split]
    }
    rank = {path: number for number, path in enumerate(places)}
    groups = [
        Same(
            tuple(places[path] for path in sorted(group.paths, key=rank.__getitem__)),
            group.same_pixels,
        )
        for group in found.copies
    ]
    leaks = tuple(group for group in groups if len(group.splits) > 1)
    inside = [group for group in groups if len(group.splits) == 1]
    return DataReport(
        root=str(dataset.files.root),
        task=dataset.task,
        format=dataset.format,
        splits={name: len(dataset.splits[name]) for name in shown},
        class_counts={name: _counts(dataset, name, found) for name in shown},
        faults=tuple(
            Fault(path, places[path].split, error) for path, error in found.faults.items()
        ),
        leaks=leaks,
        conflicts=tuple(group for group in inside if group.is_contradiction),
        repeats=tuple(group for group in inside if not group.is_contradiction),
        alike=tuple((places[one], places[other]) for one, other in found.alike),
        oddities=_by_kind(found.oddities),
        ignored_shares=_ignored_shares(dataset, found),
        unused=_unused(dataset),
        notes=dataset.notes,
        all_compared=found.all_compared,
    )


def _truth(item: Item, classes: Sequence[str]) -> str:
    match item.truth:
        case ClassTarget(label):
            return classes[label]
        case LabelsTarget(labels):
            return "|".join(classes[label] for label in labels) or "nothing"
    return ""


def _counts(dataset: Dataset, split: str, found: Examination) -> dict[str, int]:
    """As `Dataset.class_counts`, without decoding masks or failing of a damaged one."""
    if dataset.task != "segmentation":
        return dataset.class_counts(split)
    counts = Counter(
        label
        for item in dataset.splits[split]
        if item.image in found.masks
        for label in found.masks[item.image].classes
    )
    return {name: counts[label] for label, name in enumerate(dataset.classes)}


def _ignored_shares(dataset: Dataset, found: Examination) -> dict[str, float]:
    shares = {}
    for split, items in dataset.splits.items():
        known = [
            found.masks[item.image].ignored_share for item in items if item.image in found.masks
        ]
        if known:
            shares[split] = round(sum(known) / len(known), 4)
    return shares


def _by_kind(rows: Sequence[tuple[str, str, str]]) -> dict[str, tuple[tuple[str, str], ...]]:
    return {
        kind: tuple((path, what) for path, its_kind, what in rows if its_kind == kind)
        for kind in ODDITIES
        if any(its_kind == kind for _, its_kind, _ in rows)
    }


def _unused(dataset: Dataset) -> tuple[str, ...]:
    """Pictures among the files that are neither pictures nor masks of the set."""
    items = [item for split in dataset.splits.values() for item in split]
    used = {item.image for item in items}
    used |= {item.truth.path for item in items if isinstance(item.truth, MaskFile)}
    return tuple(path for path in dataset.files.paths if is_picture(path) and path not in used)
