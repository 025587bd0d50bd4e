"""A recognizer against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manako.console.messages import say
from manako.console.progress import track
from manako.data.loader import SampleSource, evaluation_batches
from manako.data.opened import (
    OpenData,
    is_fingerprint_of,
    open_sources,
    read_for_scoring,
)
from manako.data.selection import Selection
from manako.errors import DataError
from manako.metrics.unknown import answered_scores
from manako.structures import Frame, Prediction, Scores, Target

if TYPE_CHECKING:  # a recognizer can evaluate itself
    from manako.recognizer.recognizer import Recognizer
    from manako.recognizer.spec import RecognizerSpec

EVALUATION_BATCH = 64
"""Pictures at a time, unless told otherwise."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set of pictures and, picture by picture, what was predicted and how wrong."""

    scores: Scores
    names: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    errors: tuple[float, ...]  # 0 is perfect; the metric defines it


@dataclass(frozen=True)
class RawBatch:
    """What the network said of a batch of pictures, not yet decoded, and what is true of them."""

    raw: Any
    targets: tuple[Target | None, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]


def raw_batches(
    recognizer: Recognizer,
    source: SampleSource,
    *,
    batch_size: int = EVALUATION_BATCH,
    workers: int = 0,
    on_batch: Callable[[int], None] = lambda pictures: None,
) -> Iterator[RawBatch]:
    """What the network says of every picture of `source`, in order.

    `on_batch` is told how many pictures each batch had.
    """
    batches = evaluation_batches(
        source, recognizer.spec.preparation, batch_size=batch_size, workers=workers
    )
    for batch in batches:
        yield RawBatch(recognizer.raw_output(batch), batch.targets, batch.frames, batch.names)
        on_batch(len(batch))


def scored(
    recognizer: Recognizer,
    batches: Iterable[RawBatch],
    *,
    intervals: bool = True,
    unknown: bool = False,
) -> Evaluation:
    """The evaluation of what the network said, by the thresholds of `recognizer`.

    `intervals` asks for bootstrap intervals over pictures. `unknown` asks for the share of pictures
    that are not called unknown, "coverage", and the accuracy among them, "accuracy_answered".
    """
    metric = recognizer.task.metric()
    names: list[str] = []
    predictions: list[Prediction] = []
    answered: list[Target | None] = []
    unknown_below = recognizer.expect_unknown_below() if unknown else None
    for batch in batches:
        found = recognizer.decode(batch.raw, batch.frames)
        metric.update(found, batch.targets)
        names.extend(batch.names)
        predictions.extend(found)
        if unknown_below is not None:
            answered.extend(batch.targets)
    scores = metric.scores(intervals=intervals)
    if unknown_below is not None:
        more = answered_scores(predictions, answered, unknown_below, intervals=intervals)
        scores = replace(scores, overall={**scores.overall, **more})
    return Evaluation(
        scores=scores,
        names=tuple(names),
        predictions=tuple(predictions),
        errors=tuple(metric.picture_errors()),
    )


def evaluate(
    recognizer: Recognizer,
    source: SampleSource,
    *,
    batch_size: int = EVALUATION_BATCH,
    workers: int = 0,
    intervals: bool = True,
) -> Evaluation:
    """Predict every picture of `source` and score the predictions against its truth."""
    batches = raw_batches(recognizer, source, batch_size=batch_size, workers=workers)
    return scored(recognizer, batches, intervals=intervals)


@dataclass(frozen=True)
class DataEvaluation:
    """An evaluation with the split it is of and the data that it was made on."""

    split: str
    data: OpenData
    evaluation: Evaluation


def evaluate_data(
    recognizer: Recognizer,
    data: str | Path,
    *,
    split: str | None = None,
    selection: Selection | None = None,
    batch_size: int = EVALUATION_BATCH,
    unknown: bool = False,
) -> DataEvaluation:
    """Score `recognizer` on one split of the data set at `data`: test where there is one.

    Classes are matched by name: the order in which `data` lists them does not matter, a class that
    it lacks shifts nothing, one that the recognizer does not know is refused. Data that come
    unsplit are divided by `selection`, as for the run itself where it is not given. From the data
    of the run the pictures that it left out are left out again. `unknown` as in `scored`.
    """
    spec = recognizer.spec
    if unknown:
        recognizer.expect_unknown_below()  # refused before the pictures are read
    chosen_by = spec.selection if selection is None else selection
    left_out = _left_out_by_run(data, spec)
    chosen_by = replace(chosen_by, excluded=chosen_by.excluded | left_out)
    dataset, chosen = read_for_scoring(data, recognizer.classes, chosen_by, split)
    if (dataset.holds == "signals") != (spec.signal is not None):
        raise DataError(
            f"the data hold {dataset.holds}, the recognizer is for "
            f"{'pictures' if spec.signal is None else spec.signal.kind}",
            fix="give data of the recognizer's kind",
        )
    if dataset.task != spec.task:
        raise DataError(
            f"the data are for {dataset.task}, the recognizer is for {spec.task}",
            fix="give data of the recognizer's kind",
        )
    opened = open_sources(dataset, spec.channels, workers=1, splits=[chosen], form=spec.signal)
    found = evaluate_split(recognizer, opened, chosen, batch_size, unknown=unknown)
    return DataEvaluation(chosen, opened, found)


def _left_out_by_run(data: str | Path, spec: RecognizerSpec) -> frozenset[str]:
    """The paths that the run of a recognizer left out, if `data` are the data of that run."""
    if not spec.excluded:
        return frozenset()
    excluded = frozenset(spec.excluded)
    count = f"{len(excluded):,} listed pictures"
    of_run = replace(spec.selection, excluded=excluded)
    if is_fingerprint_of(spec.data_fingerprint, data, spec.classes, of_run):
        say(f"the {count} that the run left out are left out here, too")
        return excluded
    say(f"note: the run left out {count}; these are other data, and all of their pictures count")
    return frozenset()


def evaluate_split(
    recognizer: Recognizer,
    data: OpenData,
    split: str,
    batch_size: int = EVALUATION_BATCH,
    *,
    unknown: bool = False,
) -> Evaluation:
    """The evaluation of `recognizer` on one split, with intervals and a progress bar."""
    batches = tracked_batches(recognizer, data, split, batch_size)
    return scored(recognizer, batches, unknown=unknown)


def tracked_batches(
    recognizer: Recognizer, data: OpenData, split: str, batch_size: int = EVALUATION_BATCH
) -> Iterator[RawBatch]:
    """`raw_batches` of one split, with a progress bar."""
    source = data.source(split)
    with track(f"evaluating {split}", total=len(source), unit="pictures") as bar:
        yield from raw_batches(
            recognizer, source, batch_size=batch_size, on_batch=lambda count: bar.advance(count)
        )
