import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.metrics.calibration import BINS, Answers, calibration_errors

CONFIDENCE = np.array([0.95, 0.95, 0.85, 0.6, 0.6, 0.55, 1.0, 1.0])
RIGHT = np.array([1, 1, 1, 1, 0, 0, 1, 0], dtype=bool)


def error(confidence, right, counts=None):
    gaps = Answers.of(confidence, right).gaps(len(confidence))
    counts = np.ones((1, len(confidence)), dtype=np.int64) if counts is None else counts
    answers = confidence.size // len(confidence)
    return calibration_errors(gaps, answers, counts).tolist()


def by_definition(confidence, right):
    """Bin by bin, as Guo et al. write it, over (low, high]."""
    total = 0.0
    for number in range(BINS):
        low, high = np.linspace(0, 1, BINS + 1)[number : number + 2]
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_the_error_of_the_reference_is_0_225_as_its_highest_bin_holds_1():
    assert error(CONFIDENCE, RIGHT) == pytest.approx([0.225], abs=1e-12)


@given(
    answers=st.lists(
        st.tuples(st.floats(1e-6, 1) | st.integers(1, 15).map(lambda n: n / 15), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_the_error_is_that_of_the_definition(answers):
    confidence, right = np.array(answers).T

    assert error(confidence, right == 1) == pytest.approx(
        [by_definition(confidence, right)], abs=1e-9
    )


def test_a_draw_counts_each_picture_as_often_as_it_comes():
    counts = np.array([[2, 0, 1, 3, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0, 5]])

    found = error(CONFIDENCE, RIGHT, counts)

    drawn = np.repeat(np.arange(8), counts[0])
    assert found == pytest.approx([by_definition(CONFIDENCE[drawn], RIGHT[drawn]), 1], abs=1e-12)


def test_several_answers_of_a_picture_are_binned_each_by_itself():
    confidence, right = CONFIDENCE.reshape(4, 2), RIGHT.reshape(4, 2)

    assert error(confidence, right) == pytest.approx([0.225], abs=1e-12)


def test_only_bins_with_answers_are_shown_and_they_hold_all_of_them():
    bins = Answers.of(CONFIDENCE, RIGHT).reliability()

    assert [one.pictures for one in bins] == [3, 1, 4]
    assert sum(one.pictures for one in bins) == 8
    middle = bins[0]
    assert (middle.low, middle.high) == pytest.approx((8 / 15, 9 / 15))
    assert middle.confidence == pytest.approx((0.6 + 0.6 + 0.55) / 3)
    assert middle.accuracy == pytest.approx(1 / 3)
    assert all(one.low < one.confidence <= one.high for one in bins)


def test_a_probability_of_0_falls_into_the_first_bin():
    (first,) = Answers.of(np.array([0.0]), np.array([True])).reliability()

    assert (first.low, first.pictures, first.accuracy) == (0, 1, 1)
