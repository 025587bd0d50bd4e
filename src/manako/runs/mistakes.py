"""The pictures of an evaluation that a report shows: those that went most wrong."""

from __future__ import annotations

from manako.data.opened import OpenData
from manako.recognizer.evaluation import Evaluation
from manako.reports.contents import Picture
from manako.reports.signal_pictures import shown
from manako.structures import ClassPrediction

SHOWN_PICTURES = 24


def worst(evaluation: Evaluation, count: int) -> list[int]:
    """Indices of the `count` pictures that went most wrong; of equals, the first.

    Of classified pictures those whose wrong answer was surest: a mistake that no threshold keeps
    away, and often a wrong label in the data. Of others, those with the largest errors.
    """

    def wrongness(index: int) -> float:
        prediction = evaluation.predictions[index]
        if isinstance(prediction, ClassPrediction):
            return prediction.score
        return evaluation.errors[index]

    wrong = [index for index, error in enumerate(evaluation.errors) if error > 0]
    return sorted(wrong, key=lambda index: (-wrongness(index), index))[:count]


def worst_pictures(evaluation: Evaluation, data: OpenData, split: str) -> list[Picture]:
    """The pictures that went most wrong, the worst first, as a report shows them."""
    source = data.source(split)
    pictures = []
    for index in worst(evaluation, SHOWN_PICTURES):
        sample, prediction = source[index], evaluation.predictions[index]
        error = evaluation.errors[index]
        image = shown(sample.image)
        pictures.append(Picture(image, sample.name, sample.target, prediction, error))
    return pictures
