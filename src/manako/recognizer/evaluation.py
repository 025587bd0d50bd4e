"""A recognizer against the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from manako.console.progress import track
from manako.data.loader import SampleSource, evaluation_batches
from manako.data.opened import OpenData, open_sources, read_for_scoring
from manako.errors import DataError
from manako.structures import Prediction, Scores

if TYPE_CHECKING:  # a recognizer can evaluate itself
    from manako.recognizer.recognizer import Recognizer

EVALUATION_BATCH = 64
"""Pictures at a time, unless told otherwise."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set of pictures and, picture by picture, what was predicted and how wrong."""

    scores: Scores
    names: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    errors: tuple[float, ...]  # 0 is perfect; the metric defines it

    def worst(self, count: int) -> list[int]:
        """Indices of the `count` pictures with the largest errors; of equals, the first."""
        order = sorted(range(len(self.errors)), key=lambda index: (-self.errors[index], index))
        return [index for index in order[:count] if self.errors[index] > 0]


def evaluate(
    recognizer: Recognizer,
    source: SampleSource,
    *,
    batch_size: int = EVALUATION_BATCH,
    workers: int = 0,
    intervals: bool = True,
    on_batch: Callable[[int], None] = lambda pictures: None,
) -> Evaluation:
    """Predict every picture of `source` and score the predictions against its truth.

    `intervals` asks for bootstrap intervals over pictures; `on_batch` is told how many pictures
    each batch had.
    """
    metric = recognizer.task.metric()
    names: list[str] = []
    predictions: list[Prediction] = []
    batches = evaluation_batches(
        source, recognizer.spec.preparation, batch_size=batch_size, workers=workers
    )
    for batch in batches:
        found = recognizer.predict_batch(batch)
        metric.update(found, batch.targets)
        names.extend(batch.names)
        predictions.extend(found)
        on_batch(len(batch))
    return Evaluation(
        scores=metric.scores(intervals=intervals),
        names=tuple(names),
        predictions=tuple(predictions),
        errors=tuple(metric.picture_errors()),
    )


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
    seed: int | None = None,
    batch_size: int = EVALUATION_BATCH,
) -> DataEvaluation:
    """Score `recognizer` on one split of the data set at `data`: test where there is one.

    Classes are matched by name: the order in which `data` lists them does not matter, a class that
    it lacks shifts nothing, one that the recognizer does not know is refused. Data that come
    unsplit are divided by `seed`, the run's own where it is not given.
    """
    spec = recognizer.spec
    dataset, chosen = read_for_scoring(
        data, recognizer.classes, spec.split_seed if seed is None else seed, split
    )
    if dataset.task != spec.task:
        raise DataError(
            f"the data are for {dataset.task}, the recognizer is for {spec.task}",
            fix="give data of the recognizer's kind",
        )
    opened = open_sources(dataset, spec.channels, workers=1, splits=[chosen])
    return DataEvaluation(chosen, opened, evaluate_split(recognizer, opened, chosen, batch_size))


def evaluate_split(
    recognizer: Recognizer, data: OpenData, split: str, batch_size: int = EVALUATION_BATCH
) -> Evaluation:
    """The evaluation of `recognizer` on one split, with intervals and a progress bar."""
    source = data.source(split)
    with track(f"evaluating {split}", total=len(source), unit="pictures") as bar:
        return evaluate(
            recognizer, source, batch_size=batch_size, on_batch=lambda count: bar.advance(count)
        )
