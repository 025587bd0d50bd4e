import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.decoders.classification import probabilities
from manako.errors import NumericError, ShapeError


def test_probabilities_are_the_softmax_of_each_row():
    logits = torch.tensor([[1.0, 2.0, 3.0], [100.0, 0.0, -100.0]])

    first, second = probabilities(logits)

    exponentials = torch.exp(logits[0])
    torch.testing.assert_close(first.probabilities, exponentials / exponentials.sum())
    assert (first.label, second.label) == (2, 0)
    assert second.score == pytest.approx(1.0)


def test_half_precision_gives_float32_probabilities_that_sum_to_1():
    logits = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))

    (prediction,) = probabilities(logits.bfloat16())

    assert prediction.probabilities.dtype == torch.float32
    assert float(prediction.probabilities.sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_refused(bad):
    with pytest.raises(NumericError, match="logits are not all finite numbers"):
        probabilities(torch.tensor([[0.0, bad]]))


def test_logits_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"logits must have shape \(B, K\), not \(3,\)"):
        probabilities(torch.zeros(3))


@given(
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=8),
    temperature=st.floats(0.05, 20),
)
def test_no_temperature_changes_the_most_probable_class(logits, temperature):
    raw = torch.tensor([logits])

    (plain,), (found,) = probabilities(raw), probabilities(raw, temperature=temperature)

    assert found.label == plain.label == int(raw[0].argmax())
    torch.testing.assert_close(found.probabilities, torch.softmax(raw[0] / temperature, dim=0))


def test_where_rounding_makes_two_classes_equal_the_larger_logit_stays_ahead():
    raw = torch.tensor([[1.0, 1.0000001], [2.0, 1.0]])

    first, second = probabilities(raw, temperature=20.0)

    assert torch.softmax(raw[0] / 20, dim=0).argmax() == 0
    assert (first.label, second.label) == (1, 0)


def test_the_largest_logits_and_the_least_temperature_stay_finite():
    (found,) = probabilities(torch.tensor([[3e38, -3e38, 0.0]]), temperature=0.05)

    assert found.probabilities.tolist() == [1, 0, 0]
