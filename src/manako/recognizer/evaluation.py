"""A recognizer against the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from manako.data.loader import SampleSource, evaluation_batches
from manako.recognizer.recognizer import Recognizer
from manako.structures import Prediction, Scores


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
    batch_size: int = 32,
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
