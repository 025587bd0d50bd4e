"""What can be asked of a prediction."""

import pytest
import torch

from manako.errors import ShapeError
from manako.structures import ClassPrediction, LabelsPrediction


def test_a_picture_is_unknown_below_the_threshold_and_not_at_it():
    prediction = ClassPrediction(torch.tensor([0.25, 0.5, 0.25]))

    assert prediction.is_unknown(0.51)
    assert not prediction.is_unknown(0.5)


def test_labels_are_those_more_likely_than_not():
    prediction = LabelsPrediction(torch.tensor([0.5, 0.49, 1.0]))

    assert prediction.labels == prediction.above(0.5) == (0, 2)
    assert prediction.above(0.0) == (0, 1, 2)
    assert LabelsPrediction(torch.zeros(3)).labels == ()


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"probabilities must have shape \(K,\), not \(1, 3\)"):
        LabelsPrediction(torch.zeros(1, 3))
