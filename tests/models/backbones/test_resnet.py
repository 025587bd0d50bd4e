from functools import partial

import pytest
import torch
from torch import nn

from manako.errors import ShapeError
from manako.models.backbones import resnet

BUILDERS = {
    18: partial(resnet.resnet, "resnet18"),
    34: partial(resnet.resnet, "resnet34"),
    50: partial(resnet.resnet, "resnet50"),
    101: partial(resnet.resnet, "resnet101"),
    152: partial(resnet.resnet, "resnet152"),
    "50, wide": partial(resnet.resnet, "wide_resnet50_2"),
    "101, wide": partial(resnet.resnet, "wide_resnet101_2"),
}


@pytest.mark.parametrize("depth", BUILDERS)
def test_the_name_counts_the_layers_with_the_head(depth):
    with torch.device("meta"):
        model = BUILDERS[depth]()

    main_path = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and "downsample" not in name
    ]

    assert len(main_path) + 1 == int(str(depth).removesuffix(", wide"))


@pytest.mark.parametrize("depth", BUILDERS)
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(depth, size_hw):
    with torch.device("meta"):
        model = BUILDERS[depth](in_channels=1).eval()
        images = torch.zeros(2, 1, *size_hw)

    features = model(images)

    shapes = {stride: tuple(x.shape) for stride, x in features.items()}
    height, width = size_hw
    assert shapes == {
        stride: (2, channels, -(-height // stride), -(-width // stride))
        for stride, channels in model.channels.items()
    }


def test_a_wide_bottleneck_is_twice_as_wide_inside_and_the_same_outside():
    block = resnet.WideBottleneck(64, 16, stride=1)

    assert [conv.out_channels for conv in (block.conv1, block.conv2, block.conv3)] == [32, 32, 64]


def test_too_small_pictures_are_refused():
    with torch.device("meta"), pytest.raises(ShapeError, match=r"31 x 40 .*\n.*at least 32 x 32"):
        resnet.resnet("resnet18")(torch.zeros(1, 3, 31, 40))


def test_a_bottleneck_strides_in_its_3x3_convolution():
    block = resnet.Bottleneck(8, 4, stride=2)

    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_the_shortcut_is_a_convolution_only_where_shapes_differ():
    assert isinstance(resnet.shortcut(64, 64, 1), nn.Identity)
    assert resnet.shortcut(64, 128, 1)[0].stride == (1, 1)
    assert resnet.shortcut(64, 64, 2)[0].stride == (2, 2)


def test_fresh_weights_follow_kaiming_and_norms_start_as_the_identity():
    model = resnet.resnet("resnet18")

    convolution, norm = model.layer3[1].conv1, model.layer3[1].bn2

    assert convolution.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert torch.equal(norm.weight, torch.ones(256))
    assert torch.equal(norm.bias, torch.zeros(256))
