import pytest
import torch
from torch import nn

from manako.models.layers.initialise import kaiming_normal, normal, truncated_normal


def test_convolutions_are_drawn_for_their_outputs_and_biases_are_zero():
    module = nn.Sequential(nn.Conv2d(8, 256, 5), nn.Sequential(nn.Conv2d(256, 32, 3, bias=False)))

    kaiming_normal(module)
    first, second = module[0], module[1][0]

    assert first.weight.std().item() == pytest.approx((2 / (256 * 25)) ** 0.5, rel=0.02)
    assert second.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert abs(first.weight.mean().item()) < 1e-3
    assert torch.equal(first.bias, torch.zeros(256))


def test_each_group_of_channels_counts_its_own_outputs():
    grouped, depthwise = nn.Conv2d(64, 128, 3, groups=4), nn.Conv2d(512, 512, 5, groups=512)

    kaiming_normal(nn.Sequential(grouped, depthwise))

    assert grouped.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert depthwise.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.02)


def test_norms_and_linear_layers_are_left_alone():
    module = nn.Sequential(nn.BatchNorm2d(4), nn.Linear(3, 2))
    before = [parameter.clone() for parameter in module.parameters()]

    kaiming_normal(module)

    assert all(map(torch.equal, before, module.parameters()))


def test_convolutions_and_linear_layers_are_drawn_with_the_asked_deviation():
    module = nn.Sequential(nn.Conv2d(8, 256, 5, bias=False), nn.BatchNorm2d(4), nn.Linear(300, 200))

    normal(module, std=0.03)

    for layer in (module[0], module[2]):
        assert layer.weight.std().item() == pytest.approx(0.03, rel=0.02)
        assert abs(layer.weight.mean().item()) < 1e-3
    assert torch.equal(module[2].bias, torch.zeros(200))
    assert torch.equal(module[1].weight, torch.ones(4))


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
