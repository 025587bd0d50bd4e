import pytest
import torch
from torch import nn

from manako.models.layers.initialise import kaiming_normal, truncated_normal


def test_convolutions_are_drawn_for_their_outputs_and_biases_are_zero():
    module = nn.Sequential(nn.Conv2d(8, 256, 5), nn.Sequential(nn.Conv2d(256, 32, 3, bias=False)))

    kaiming_normal(module)
    first, second = module[0], module[1][0]

    assert first.weight.std().item() == pytest.approx((2 / (256 * 25)) ** 0.5, rel=0.02)
    assert second.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert abs(first.weight.mean().item()) < 1e-3
    assert torch.equal(first.bias, torch.zeros(256))


def test_norms_and_linear_layers_are_left_alone():
    module = nn.Sequential(nn.BatchNorm2d(4), nn.Linear(3, 2))
    before = [parameter.clone() for parameter in module.parameters()]

    kaiming_normal(module)

    assert all(map(torch.equal, before, module.parameters()))


def test_a_truncated_normal_draws_convolutions_and_linear_layers_and_leaves_norms_alone():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(8, 64, 3), nn.LayerNorm(64), nn.Linear(64, 200, bias=False))

    truncated_normal(module, std=1.0)
    convolution, norm, linear = module

    # A normal of deviation 1 cut off at 2 has a deviation of 0.88.
    for layer in (convolution, linear):
        assert layer.weight.std().item() == pytest.approx(0.8796, rel=0.02)
        assert layer.weight.abs().max() <= 2
    assert torch.equal(convolution.bias, torch.zeros(64))
    assert torch.equal(norm.weight, torch.ones(64))
