"""The convolution that filters each channel by itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from manako.models.layers.depthwise import DepthwiseConv2d
from manako.training.precision import autocast


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_is_a_convolution_of_every_channel_by_itself(kernel: int, stride: int) -> None:
    layer = DepthwiseConv2d(4, kernel, stride).double()
    maps = torch.randn(2, 4, 9, 10, dtype=torch.float64)
    for channel in range(4):
        alone = nn.Conv2d(1, 1, kernel, stride, padding=kernel // 2).double()
        alone.weight.data = layer.weight.data[channel, None]
        alone.bias.data = layer.bias.data[channel, None]
        torch.testing.assert_close(layer(maps)[:, [channel]], alone(maps[:, [channel]]))


def test_learns_in_float32_under_autocast_and_returns_what_its_neighbours_do() -> None:
    layer = DepthwiseConv2d(8, 3)
    maps = torch.randn(2, 8, 6, 6).bfloat16()
    with autocast("cpu", "bfloat16"):
        filtered = layer(maps)
        plain = nn.Conv2d.forward(layer, maps)
    exact = layer(maps.float())
    assert filtered.dtype == plain.dtype == torch.bfloat16
    assert torch.equal(filtered, exact.bfloat16())  # rounded once; bfloat16 filters are not
    assert not torch.equal(plain, filtered)
    with autocast("cpu", "bfloat16"), torch.no_grad():
        assert torch.equal(layer(maps), plain)  # in bfloat16, where no gradient is to be slow


def test_without_autocast_float64_stays_float64() -> None:
    assert DepthwiseConv2d(2, 3).double()(torch.ones(1, 2, 4, 4).double()).dtype == torch.float64
