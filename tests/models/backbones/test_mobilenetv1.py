import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.mobilenetv1 import DepthwiseSeparable, MobileNetV1
from manako.models.zoo import create_model, model_info

# Howard et al. 2017, table 1: type, stride, channels in and out, side of the input. The last
# depthwise layer has stride 1 in the authors' code and by the sizes of the table itself.
PAPER_LAYERS = [
    ("full", 2, 3, 32, 224),
    ("dw", 1, 32, 32, 112),
    ("pw", 1, 32, 64, 112),
    ("dw", 2, 64, 64, 112),
    ("pw", 1, 64, 128, 56),
    ("dw", 1, 128, 128, 56),
    ("pw", 1, 128, 128, 56),
    ("dw", 2, 128, 128, 56),
    ("pw", 1, 128, 256, 28),
    ("dw", 1, 256, 256, 28),
    ("pw", 1, 256, 256, 28),
    ("dw", 2, 256, 256, 28),
    ("pw", 1, 256, 512, 14),
    *[("dw", 1, 512, 512, 14), ("pw", 1, 512, 512, 14)] * 5,
    ("dw", 2, 512, 512, 14),
    ("pw", 1, 512, 1024, 7),
    ("dw", 1, 1024, 1024, 7),
    ("pw", 1, 1024, 1024, 7),
]


def layers_of(model, images):
    """Every convolution in the order of computation, as in the paper's table."""
    found = []

    def note(layer, given, _):
        kind = {(3, 1): "full", (3, layer.in_channels): "dw", (1, 1): "pw"}
        size = (layer.kernel_size[0], layer.groups)
        side = given[0].shape[-1]
        found.append((kind[size], layer.stride[0], layer.in_channels, layer.out_channels, side))

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    model(images)
    return found


def test_the_layers_are_those_of_the_papers_table():
    with torch.device("meta"):
        found = layers_of(MobileNetV1(), torch.zeros(1, 3, 224, 224))

    assert found == PAPER_LAYERS


# Tables 6, 7 and 9, in million multiply-adds; the paper sometimes rounds and sometimes cuts off.
@pytest.mark.parametrize(
    ("width", "side", "million"),
    [
        (1.0, 224, 569),
        (0.75, 224, 325),
        (0.5, 224, 149),
        (0.25, 224, 41),
        (1.0, 192, 418),
        (1.0, 160, 290),
        (1.0, 128, 186),
        (0.5, 160, 76),
    ],
)
def test_width_and_picture_size_cost_what_the_paper_says(width, side, million):
    info = model_info(f"mobilenetv1_{round(100 * width):03}")

    found = replace(info, size_hw=(side, side)).macs / 1e6

    assert million in (math.floor(found), round(found))


@pytest.mark.parametrize(("width", "million"), [(1.0, 4.2), (0.75, 2.6), (0.5, 1.3), (0.25, 0.5)])
def test_the_parameters_are_those_of_the_papers_table_6(width, million):
    info = model_info(f"mobilenetv1_{round(100 * width):03}")

    assert round(info.params / 1e6, 1) == million


@pytest.mark.parametrize("width", [1.0, 0.25])
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(width, size_hw):
    with torch.device("meta"):
        model = MobileNetV1(in_channels=2, width=width).eval()
        images = torch.zeros(2, 2, *size_hw)

    features = model(images)

    height, width = size_hw
    assert list(features) == [2, 4, 8, 16, 32]
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        stride: (2, channels, -(-height // stride), -(-width // stride))
        for stride, channels in model.channels.items()
    }
    assert model.get_parameter(model.first_convolution).shape[1] == 2


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (1.25, [40, 80, 160, 320, 640, 1280]),
        (0.35, [11, 22, 44, 89, 179, 358]),
        (0.1, [8, 8, 12, 25, 51, 102]),
    ],
)
def test_channels_are_rounded_down_and_never_fewer_than_8(width, channels):
    with torch.device("meta"):
        model = MobileNetV1(width=width)

    assert [model.conv_stem.out_channels, *model.channels.values()] == channels


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_a_width_that_cannot_be_is_refused(width):
    with pytest.raises(UsageError, match=f"width must be a number above 0, not {width}"):
        MobileNetV1(width=width)


def test_the_width_is_an_option_and_the_name_says_its_default():
    assert create_model("mobilenetv1_025").backbone.channels[32] == 256
    assert create_model("mobilenetv1_025", width="0.5").backbone.channels[32] == 512


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_filters_each_channel_then_mixes_them_and_limits_both_to_6(stride):
    block = DepthwiseSeparable(4, 6, stride).double()
    generator = torch.Generator().manual_seed(0)
    for tensor in (*block.parameters(), block.bn1.running_var, block.bn2.running_var):
        tensor.data.uniform_(0.5, 4.0, generator=generator)
    x = torch.randn(2, 4, 8, 10, dtype=torch.float64, generator=generator)

    found = block.eval()(x)

    def normalised(x, norm):
        shape = (1, -1, 1, 1)
        scale = norm.weight / (norm.running_var + 1e-5).sqrt()
        return x * scale.view(shape) + norm.bias.view(shape)

    filtered = torch.cat(
        [
            functional.conv2d(x[:, i : i + 1], block.conv_dw.weight[i : i + 1], None, stride, 1)
            for i in range(4)
        ],
        dim=1,
    )
    limited = normalised(filtered, block.bn1).clamp(0, 6)
    mixed = torch.einsum("oc,bchw->bohw", block.conv_pw.weight[:, :, 0, 0], limited)
    expected = normalised(mixed, block.bn2).clamp(0, 6)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert (limited == 6).any()
    assert (found == 6).any()


def test_strided_convolutions_are_padded_alike_on_all_sides():
    model = MobileNetV1(width=0.25)
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    weight = model.conv_stem.weight

    found = model.conv_stem(images)

    alike = functional.conv2d(functional.pad(images, (1, 1, 1, 1)), weight, stride=2)
    as_in_tensorflow = functional.conv2d(functional.pad(images, (0, 1, 0, 1)), weight, stride=2)
    torch.testing.assert_close(found, alike)
    assert (found - as_in_tensorflow).abs().max() > 0.1
    assert all(
        layer.padding == (1, 1)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    )


def test_fresh_filters_follow_their_fan_out_and_norms_start_as_the_identity():
    model = MobileNetV1()

    block = model.blocks[4][1]

    assert block.conv_dw.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.03)
    assert block.conv_pw.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert abs(block.conv_pw.weight.mean().item()) < 1e-3
    assert model.conv_stem.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.1)
    assert torch.equal(block.bn2.weight, torch.ones(1024))
    assert torch.equal(block.bn2.bias, torch.zeros(1024))


def test_too_small_pictures_are_refused():
    with torch.device("meta"), pytest.raises(ShapeError, match=r"31 x 40 .*\n.*at least 32 x 32"):
        MobileNetV1()(torch.zeros(1, 3, 31, 40))
