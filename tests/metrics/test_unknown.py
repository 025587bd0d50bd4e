import pytest
import torch

from manako.errors import DataError
from manako.metrics.unknown import answered_scores
from manako.structures import ClassPrediction, ClassTarget


def said(*scores):
    return [ClassPrediction(torch.tensor([score, 1 - score])) for score in scores]


def test_unsure_pictures_leave_the_accuracy_and_lower_the_coverage():
    predictions = said(0.9, 0.8, 0.75, 0.6, 0.55)
    targets = [ClassTarget(label) for label in (0, 1, 0, 1, 1)]

    scores = answered_scores(predictions, targets, 0.7)

    assert scores["coverage"].value == 3 / 5
    assert scores["accuracy_answered"].value == 2 / 3
    for score in scores.values():
        assert score.low < score.value < score.high


def test_the_threshold_itself_is_sure_enough():
    predictions = said(0.75, 0.5)

    found = answered_scores(predictions, [ClassTarget(0)] * 2, 0.75, intervals=False)

    assert found["coverage"].value == 0.5
    assert found["coverage"].low is None


def test_where_nothing_is_answered_nothing_is_right_or_wrong():
    found = answered_scores(said(0.6), [ClassTarget(0)], 0.9)

    assert found["coverage"].value == 0
    assert "accuracy_answered" not in found


def test_without_pictures_there_is_nothing_to_score():
    with pytest.raises(DataError, match="no pictures to score"):
        answered_scores([], [], 0.5)
