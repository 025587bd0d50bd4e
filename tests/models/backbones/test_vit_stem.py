import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.models.backbones.vit_stem import (
    Bottleneck,
    Downsample,
    ResNetStem,
    StandardisedConv,
    pad_same,
)


def random_map(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_a_convolution_sees_weights_of_mean_zero_and_variance_one():
    layer = StandardisedConv(5, 4, 3)
    x = random_map(2, 5, 7, 7)

    found = layer(x)

    filters = layer.weight.flatten(1).detach()
    filters = (filters - filters.mean(1, keepdim=True)) / filters.std(1, correction=0, keepdim=True)
    expected = functional.conv2d(x, filters.view(4, 5, 3, 3), padding=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_scale_and_mean_of_the_weights_do_not_matter():
    layer = StandardisedConv(5, 4, 3).double()
    x = random_map(2, 5, 7, 7).double()
    before = layer(x)

    with torch.no_grad():
        layer.weight.mul_(30).add_(torch.arange(4.0)[:, None, None, None])

    torch.testing.assert_close(layer(x), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "before", "after"),
    [(8, 7, 2, 2, 3), (9, 7, 2, 3, 3), (8, 3, 2, 0, 1), (9, 3, 2, 1, 1), (8, 1, 2, 0, 0),
     (8, 3, 1, 1, 1), (1, 7, 2, 3, 3)],
)  # fmt: skip
def test_padding_is_that_of_tensorflow(side, kernel, stride, before, after):
    x = torch.ones(1, 1, side, side)

    padded = pad_same(x, kernel, stride)

    expected = [0.0] * before + [1.0] * side + [0.0] * after
    assert padded[0, 0, before].tolist() == padded[0, 0, :, before].tolist() == expected


def test_a_fresh_block_passes_its_input_on():
    block = Bottleneck(128, 32, stride=1)
    x = random_map(2, 128, 5, 5).abs()

    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("c_in", "stride", "kind"), [(128, 1, nn.Identity), (64, 1, Downsample), (128, 2, Downsample)]
)
def test_a_shortcut_has_weights_where_channels_or_size_change(c_in, stride, kind):
    block = Bottleneck(c_in, 32, stride)

    assert isinstance(block.downsample, kind)
    assert block(random_map(1, c_in, 6, 6)).shape == (1, 128, 6 // stride, 6 // stride)
    assert block.conv2.stride == (stride, stride)
    assert block.conv1.stride == block.conv3.stride == (1, 1)


def test_maps_have_the_promised_strides_and_channels_at_odd_sizes_too():
    stem = ResNetStem((1, 2, 1), in_channels=2)

    maps = stem(random_map(1, 2, 33, 47))

    assert stem.channels == {4: 256, 8: 512, 16: 1024}
    assert {stride: tuple(one.shape[1:]) for stride, one in maps.items()} == {
        4: (256, 9, 12),
        8: (512, 5, 6),
        16: (1024, 3, 3),
    }


def test_fresh_weights_follow_kaiming_and_only_the_last_norm_of_a_block_starts_at_zero():
    stem = ResNetStem((1, 1))

    weight = stem.layers[1][0].conv2.weight
    scales = {name: one.weight.unique().tolist() for name, one in stem.layers[0][0].named_modules()
              if isinstance(one, nn.GroupNorm)}  # fmt: skip

    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert scales == {"norm1": [1.0], "norm2": [1.0], "norm3": [0.0], "downsample.norm": [1.0]}
