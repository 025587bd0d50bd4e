from __future__ import annotations

from types import SimpleNamespace

import torch

from manako.recognizer import Evaluation
from manako.runs.mistakes import SHOWN_PICTURES, worst, worst_pictures
from manako.structures import (
    ClassPrediction,
    ClassTarget,
    LabelsPrediction,
    Sample,
    Score,
    Scores,
)


def evaluation(predictions, errors):
    scores = Scores("accuracy", {"accuracy": Score(0.5)})
    names = tuple(f"{number}.png" for number in range(len(errors)))
    return Evaluation(scores, names, tuple(predictions), tuple(errors))


def said(*probabilities):
    return ClassPrediction(torch.tensor(probabilities))


def test_the_surest_mistakes_come_first_and_right_answers_not_at_all():
    # The truth is class 0. Picture 2 gave it less than picture 3 did, but was less sure.
    predictions = [said(0.9, 0.1, 0.0), said(0.3, 0.4, 0.3), said(0.02, 0.5, 0.48),
                   said(0.1, 0.9, 0.0), said(0.1, 0.0, 0.9)]  # fmt: skip
    found = evaluation(predictions, [0.0, 0.7, 0.98, 0.9, 0.9])

    assert worst(found, 10) == [3, 4, 2, 1]
    assert worst(found, 2) == [3, 4]


def test_where_answers_are_not_one_class_the_largest_errors_come_first():
    predictions = [LabelsPrediction(torch.tensor([0.9, 0.9]))] * 4

    assert worst(evaluation(predictions, [0.25, 0.0, 0.5, 0.25]), 10) == [2, 0, 3]


def test_the_shown_pictures_have_their_truth_and_are_few():
    count = SHOWN_PICTURES + 9
    predictions = [said(0.1, 0.9)] * count
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    source = [Sample(image, ClassTarget(0), f"{number}.png") for number in range(count)]
    data = SimpleNamespace(source=lambda split: source)

    shown = worst_pictures(evaluation(predictions, [0.9] * count), data, "test")

    assert [one.name for one in shown] == [f"{number}.png" for number in range(SHOWN_PICTURES)]
    assert all(one.truth == ClassTarget(0) for one in shown)
