import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.resnetv2 import DEPTHS, Basic, Bottleneck, ResNetV2
from manako.models.layers.stochastic_depth import StochasticDepth


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_name_counts_the_layers_with_the_head(depth):
    with torch.device("meta"):
        model = ResNetV2(depth)

    main_path = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and "downsample" not in name
    ]

    assert len(main_path) + 1 == depth


@pytest.mark.parametrize("depth", [34, 50])
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(depth, size_hw):
    with torch.device("meta"):
        model = ResNetV2(depth, in_channels=1).eval()
        images = torch.zeros(2, 1, *size_hw)

    features = model(images)

    shapes = {stride: tuple(x.shape) for stride, x in features.items()}
    height, width = size_hw
    assert shapes == {
        stride: (2, channels, -(-height // stride), -(-width // stride))
        for stride, channels in model.channels.items()
    }


def test_the_deepest_map_is_rectified_and_the_others_are_raw_sums():
    torch.manual_seed(0)
    model = ResNetV2(18)

    maps = model(torch.randn(2, 3, 64, 64))

    assert list(maps) == [4, 8, 16, 32]
    assert maps[32].min() == 0
    assert all(maps[stride].min() < 0 for stride in (4, 8, 16))


@pytest.mark.parametrize(("block", "last"), [(Basic, "conv2"), (Bottleneck, "conv3")])
def test_only_a_shortcut_that_changes_the_shape_sees_the_activated_input(block, last):
    torch.manual_seed(0)
    same = block(4 * block.expansion, 4, stride=1, rate=0.0).eval()
    other = block(6, 4, stride=2, rate=0.0).eval()
    for one in (same, other):
        nn.init.zeros_(one.get_submodule(last).weight)
        nn.init.uniform_(one.norm1.bias)
    x, z = torch.randn(2, 4 * block.expansion, 5, 5), torch.randn(2, 6, 5, 5)

    activated = functional.relu(other.norm1(z))

    assert torch.equal(same(x), x)
    torch.testing.assert_close(other(z), other.downsample(activated))


def test_a_bottleneck_strides_in_its_3x3_convolution():
    block = Bottleneck(8, 4, stride=2, rate=0.0)

    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_rates_of_stochastic_depth_rise_from_block_to_block():
    with torch.device("meta"):
        model = ResNetV2(18, stochastic_depth=0.7)

    rates = [one.rate for one in model.modules() if isinstance(one, StochasticDepth)]

    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_stochastic_depth_leaves_the_shortcut():
    torch.manual_seed(0)
    block = Basic(4, 4, stride=1, rate=0.5).train()
    x = torch.randn(64, 4, 3, 3)

    y = block(x)

    left_out = sum(torch.equal(before, after) for before, after in zip(x, y, strict=True))
    assert 16 < left_out < 48


def test_fresh_weights_follow_kaiming_and_norms_start_as_the_identity():
    model = ResNetV2(18)

    convolution, norm = model.layer3[1].conv1, model.layer3[1].norm2

    assert convolution.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert torch.equal(norm.weight, torch.ones(256))
    assert torch.equal(norm.bias, torch.zeros(256))


def test_other_depths_are_refused():
    with pytest.raises(UsageError, match=r"cannot have 20 layers\n.*18, 34, 50, 101, 152"):
        ResNetV2(20)


def test_a_rate_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match=r"stochastic depth cannot have the rate 1\.0"):
        ResNetV2(18, stochastic_depth=1.0)


def test_too_small_pictures_are_refused():
    with torch.device("meta"), pytest.raises(ShapeError, match=r"31 x 40 .*\n.*at least 32 x 32"):
        ResNetV2(18)(torch.zeros(1, 3, 31, 40))
