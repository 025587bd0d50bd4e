"""A recognizer against the truth of a data set."""

from __future__ import annotations

from pathlib import Path

from manako.errors import DataError
from manako.recognizer import Evaluation, Recognizer
from manako.runs.data import OpenData, open_sources, read_split_data
from manako.runs.finish import evaluate_split, save_predictions
from manako.runs.session import EVALUATION_BATCH


def validate_recognizer(
    recognizer: Recognizer,
    data: str | Path,
    *,
    split: str | None = None,
    seed: int = 0,
    batch_size: int = EVALUATION_BATCH,
    predictions: Path | None = None,
) -> tuple[str, Evaluation]:
    """Score `recognizer` on one split of `data`: the test pictures where there are any.

    Classes are matched by name: the order in which `data` lists them does not matter, a class that
    it lacks shifts nothing, one that the recognizer does not know is refused. `seed` splits data
    that come unsplit, as in the run. Writes a CSV of the `predictions` where one is asked for.
    """
    dataset = read_split_data(data, seed, recognizer.classes)
    if dataset.task != recognizer.spec.task:
        raise DataError(
            f"the data are for {dataset.task}, the recognizer is for {recognizer.spec.task}",
            fix="give data of the recognizer's kind",
        )
    chosen = split or ("test" if dataset.splits.get("test") else "val")
    sources: OpenData = open_sources(dataset, recognizer.spec.channels, workers=1, splits=[chosen])
    evaluation = evaluate_split(recognizer, sources, chosen, batch_size)
    if predictions is not None:
        save_predictions(predictions, evaluation, sources, chosen)
    return chosen, evaluation
