import pytest
import torch

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
