import pytest
import torch

from manako.errors import UsageError
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates


def test_whole_pictures_are_left_out_and_the_others_scaled_so_that_the_mean_stays():
    torch.manual_seed(0)
    layer = StochasticDepth(0.25).train()

    found = layer(torch.ones(4000, 2, 3))

    values = found.flatten(1)
    assert (values == values[:, :1]).all()
    assert values.unique().tolist() == pytest.approx([0, 4 / 3])
    assert values.mean().item() == pytest.approx(1, abs=0.03)


def test_evaluation_and_a_rate_of_zero_change_nothing():
    branch = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))

    assert StochasticDepth(0.5).eval()(branch) is branch
    assert StochasticDepth(0.0).train()(branch) is branch


def test_gradients_reach_only_the_pictures_that_were_kept():
    torch.manual_seed(0)
    branch = torch.ones(50, 2, requires_grad=True)

    found = StochasticDepth(0.5).train()(branch)
    found.sum().backward()

    assert torch.equal(branch.grad, found.detach())
    assert 0 < (branch.grad == 0).float().mean() < 1


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_other_rates_are_refused(rate):
    with pytest.raises(UsageError, match="stochastic depth cannot have the rate"):
        StochasticDepth(rate)


def test_rates_rise_from_the_first_block_to_the_last():
    assert rising_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert rising_rates(0.3, 1) == [0.0]
