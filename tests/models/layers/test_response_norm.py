import pytest
import torch
from torch import nn

from manako.models.layers.response_norm import ResponseNorm, SpatialResponseNorm


def large_maps(*shape):
    """Large enough that the sums of squares matter beside the constants."""
    generator = torch.Generator().manual_seed(0)
    return (50 * torch.randn(shape, dtype=torch.float64, generator=generator)).requires_grad_()


def gradient(output, x):
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return torch.autograd.grad((output * direction).sum(), x)[0]


@pytest.mark.parametrize("channels", [1, 4, 9])
def test_response_norm_equals_the_formula_of_the_paper(channels):
    """Section 3.3: from max(0, i - n/2) to min(N - 1, i + n/2), without dividing by n."""
    x = large_maps(2, channels, 3, 4)

    expected = torch.empty_like(x)
    for i in range(channels):
        near = x[:, max(0, i - 2) : min(channels - 1, i + 2) + 1]
        expected[:, i] = x[:, i] / (2 + 1e-4 * near.square().sum(1)) ** 0.75

    torch.testing.assert_close(ResponseNorm()(x), expected, rtol=1e-12, atol=0)
    assert (expected.abs() < 0.55 * x.abs()).any()


@pytest.mark.parametrize("size", [3, 4, 5])
def test_response_norm_is_torchs_with_alpha_times_the_size(size):
    x = large_maps(2, 7, 3, 4)

    found = ResponseNorm(size, alpha=1e-4)(x)
    expected = nn.LocalResponseNorm(size, alpha=size * 1e-4, beta=0.75, k=2.0)(x)

    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient(found, x), gradient(expected, x), rtol=1e-9, atol=1e-12)


def test_norm_within_a_channel_equals_its_definition():
    x = large_maps(2, 3, 4, 5)

    expected = torch.empty_like(x)
    for row in range(4):
        for column in range(5):
            near = x[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            mean = near.square().sum((2, 3)) / 9  # zeros count, too
            expected[:, :, row, column] = x[:, :, row, column] / (1 + 0.01 * mean) ** 0.6

    found = SpatialResponseNorm(3, alpha=0.01, beta=0.6)(x)

    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_layers_say_their_constants():
    assert str(ResponseNorm()) == "ResponseNorm(size=5, alpha=0.0001, beta=0.75, k=2.0)"
    assert str(SpatialResponseNorm()) == "SpatialResponseNorm(size=3, alpha=5e-05, beta=0.75)"
