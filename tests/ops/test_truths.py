import pytest
import torch

from manako.errors import DataError, ShapeError, UsageError
from manako.ops.truths import expect_truths
from manako.structures import ClassTarget, MaskTarget


def test_truths_of_the_kind_asked_for_come_back_in_order():
    truths = [ClassTarget(2), ClassTarget(0)]

    assert expect_truths(tuple(truths), ClassTarget, 2) == truths


def test_a_picture_without_truth_is_named():
    with pytest.raises(DataError, match=r"picture 2 of 2 has no truth(.|\n)*label it"):
        expect_truths([ClassTarget(0), None], ClassTarget, 2)


def test_a_truth_of_another_kind_is_named():
    mask = MaskTarget(torch.zeros(1, 1, dtype=torch.uint8))

    with pytest.raises(UsageError, match=r"picture 1 of 1 has a MaskTarget(.|\n)*a ClassTarget"):
        expect_truths([mask], ClassTarget, 1)


def test_a_truth_too_few_is_refused():
    with pytest.raises(ShapeError, match="3 pictures came with 1 targets"):
        expect_truths([ClassTarget(0)], ClassTarget, 3)
