import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.decoders.labels import label_probabilities
from manako.errors import NumericError, ShapeError


def test_probabilities_are_the_sigmoid_of_each_logit():
    logits = torch.tensor([[1.0, -2.0], [200.0, -200.0]])

    first, second = label_probabilities(logits)

    torch.testing.assert_close(first.probabilities, 1 / (1 + torch.exp(-logits[0])))
    assert first.labels == (0,)
    assert second.probabilities.tolist() == [1, 0]


@given(
    logits=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=8),
    temperature=st.floats(0.05, 20),
)
def test_a_label_is_said_at_every_temperature_or_at_none(logits, temperature):
    raw = torch.tensor([logits])

    (found,) = label_probabilities(raw, temperature=temperature)

    assert found.labels == tuple(index for index, logit in enumerate(logits) if logit >= 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_refused(bad):
    with pytest.raises(NumericError, match="logits are not all finite numbers"):
        label_probabilities(torch.tensor([[0.0, bad]]))


def test_logits_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"logits must have shape \(B, K\), not \(3,\)"):
        label_probabilities(torch.zeros(3))
