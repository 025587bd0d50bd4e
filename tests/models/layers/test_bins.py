from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import UsageError
from manako.models.layers.bins import MeanBins, SpatialPyramidPooling, bins

SIZES = [(1, 1), (2, 3), (6, 6), (7, 13), (13, 5), (32, 9)]


def random_maps(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()


def pyramid_by_the_definition(maps, levels):
    """Appendix A, value by value: for each level, each channel, each bin its maximum."""
    height, width = maps.shape[2:]
    values = []
    for n in levels:
        for channel in range(maps.shape[1]):
            for i in range(1, n + 1):
                for j in range(1, n + 1):
                    top, bottom = (i - 1) * height // n, -(-i * height // n)
                    left, right = (j - 1) * width // n, -(-j * width // n)
                    values.append(maps[:, channel, top:bottom, left:right].amax((1, 2)))
    return torch.stack(values, 1)


def gradient(output, maps):
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return torch.autograd.grad((output * direction).sum(), maps)[0]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("length", [1, 2, 6, 7, 13, 14])
def test_bins_cover_a_side_in_order_and_are_never_empty(length, count):
    spans = bins(length, count)

    assert len(spans) == count
    assert (spans[0].start, spans[-1].stop) == (0, length)
    for before, after in pairwise(spans):
        assert before.start <= after.start <= before.stop <= after.stop
        assert after.stop - after.start in (-(-length // count), -(-length // count) + 1)


@pytest.mark.parametrize("size_hw", SIZES)
def test_a_pyramid_equals_its_definition(size_hw):
    maps = random_maps(2, 3, *size_hw)

    found = SpatialPyramidPooling((4, 1, 3))(maps)
    expected = pyramid_by_the_definition(maps, (4, 1, 3))

    assert found.shape == (2, 3 * SpatialPyramidPooling((4, 1, 3)).values)
    assert torch.equal(found, expected)
    torch.testing.assert_close(gradient(found, maps), gradient(expected, maps))


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_bins_and_their_gradients_are_those_of_adaptive_pooling(size_hw, count):
    maps = random_maps(2, 3, *size_hw)

    for ours, theirs in (
        (SpatialPyramidPooling((count,)), nn.AdaptiveMaxPool2d(count)),
        (MeanBins(count), nn.AdaptiveAvgPool2d(count)),
    ):
        found, expected = ours(maps).view(2, 3, count, count), theirs(maps)

        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            gradient(found, maps), gradient(expected, maps), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_for_13_cells_bins_are_the_sliding_windows_of_the_papers_training(count):
    maps = random_maps(1, 2, 13, 13)

    window, stride = -(-13 // count), 13 // count
    expected = functional.max_pool2d(maps, window, stride)

    assert torch.equal(SpatialPyramidPooling((count,))(maps), expected.flatten(1))


def test_windows_of_the_papers_training_are_too_many_where_sizes_do_not_suit():
    maps = random_maps(1, 2, 10, 10)

    assert functional.max_pool2d(maps, 2, 1).shape[2:] == (9, 9)
    assert SpatialPyramidPooling((6,))(maps).shape == (1, 2 * 36)


def test_of_equal_maxima_one_gets_the_gradient():
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)

    SpatialPyramidPooling((2,))(maps).sum().backward()

    assert sorted(maps.grad.flatten().tolist()) == [0.0] * 12 + [1.0] * 4


def test_as_many_cells_as_bins_are_left_as_they_are():
    maps = random_maps(2, 3, 6, 6)

    assert MeanBins(6)(maps) is maps


def test_layers_say_their_sizes():
    assert str(MeanBins(7)) == "MeanBins(count=7)"
    assert str(SpatialPyramidPooling([1, 2])) == "SpatialPyramidPooling(levels=(1, 2))"


@pytest.mark.parametrize("build", [lambda: MeanBins(0), lambda: SpatialPyramidPooling((2, 0))])
def test_less_than_one_bin_is_refused(build):
    with pytest.raises(UsageError, match=r"cannot be cut into 0 bins\n.*1 or more"):
        build()


def test_a_pyramid_without_levels_is_refused():
    with pytest.raises(UsageError, match="a pyramid needs a level"):
        SpatialPyramidPooling(())
