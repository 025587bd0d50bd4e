import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.densenet import BottleneckLayer, PlainLayer
from manako.models.backbones.densenet_cifar import CifarDenseNet


def network_by_the_definition(state, images, layers):
    """Section 3 as a function of the weights, in evaluation; `layers` in each block."""

    def activate(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    def convolve(x, name):
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)

    x = convolve(images, "conv0")
    features = {}
    for block in (1, 2, 3):
        before = [x]
        for number in range(1, layers + 1):
            layer = f"denseblock{block}.denselayer{number}"
            y = convolve(activate(torch.cat(before, 1), f"{layer}.norm1"), f"{layer}.conv1")
            if f"{layer}.conv2.weight" in state:
                y = convolve(activate(y, f"{layer}.norm2"), f"{layer}.conv2")
            before.append(y)
        features[2 ** (block - 1)] = x = torch.cat(before, 1)
        if block < 3:
            y = convolve(activate(x, f"transition{block}.norm"), f"transition{block}.conv")
            height, width = (side // 2 * 2 for side in y.shape[2:])
            x = sum(y[:, :, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)) / 4
    features[4] = activate(features[4], "norm")
    return features


def scrambled(*settings, **options):
    model = CifarDenseNet(*settings, **options).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return model


@pytest.mark.parametrize(
    ("layer", "depth", "layers", "options"),
    [
        (PlainLayer, 10, 2, {}),
        (PlainLayer, 13, 3, {"compression": 0.3, "dropout": 0.2}),
        (BottleneckLayer, 16, 2, {"compression": 0.5}),
        (BottleneckLayer, 22, 3, {}),
    ],
)
@pytest.mark.parametrize("size_hw", [(12, 12), (9, 14)])
def test_the_network_equals_its_definition(layer, depth, layers, options, size_hw):
    model = scrambled(layer, depth, 3, **options)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size_hw, dtype=torch.float64, generator=generator)

    found = model(images)
    expected = network_by_the_definition(model.state_dict(), images, layers)

    assert list(found) == [1, 2, 4]
    for stride, features in found.items():
        torch.testing.assert_close(features, expected[stride], rtol=1e-9, atol=1e-9)
        assert features.shape[1] == model.channels[stride]


@pytest.mark.parametrize(
    ("layer", "depth", "growth_rate"),
    [(PlainLayer, 40, 12), (BottleneckLayer, 100, 12), (BottleneckLayer, 190, 40)],
)
def test_the_name_counts_the_convolutions_and_the_head(layer, depth, growth_rate):
    with torch.device("meta"):
        model = CifarDenseNet(layer, depth, growth_rate)

    convolutions = [one for one in model.modules() if isinstance(one, nn.Conv2d)]

    assert len(convolutions) + 1 == depth
    assert all(one.bias is None for one in convolutions)


def test_plain_networks_begin_with_16_channels_and_those_of_bottlenecks_with_2k():
    plain, bottleneck = CifarDenseNet(PlainLayer, 7, 12), CifarDenseNet(BottleneckLayer, 10, 12)

    assert (plain.conv0.out_channels, bottleneck.conv0.out_channels) == (16, 24)


def test_without_compression_every_block_adds_to_all_channels_before_it():
    assert CifarDenseNet(PlainLayer, 10, 4).channels == {1: 24, 2: 32, 4: 40}
    assert CifarDenseNet(PlainLayer, 10, 4, compression=0.5).channels == {1: 24, 2: 20, 4: 18}


def test_dropout_strikes_in_training_only_and_everywhere_but_behind_the_first_convolution():
    torch.manual_seed(0)
    model = CifarDenseNet(BottleneckLayer, 16, 4, dropout=0.2)
    images = torch.randn(8, 3, 8, 8)

    rates = [one.p for one in model.modules() if isinstance(one, nn.Dropout)]
    maps = model(images)
    new_maps = maps[1][:, 8:]

    assert rates == [0.2] * (3 * 2 + 2)
    assert (maps[1][:, :8] != 0).all()
    assert (new_maps == 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(model.eval()(images)[4], model(images)[4])


def test_fresh_weights_follow_kaiming():
    model = CifarDenseNet(PlainLayer, 40, 12)

    weights = [layer.conv1.weight.flatten() for layer in model.denseblock3.values()]

    assert torch.cat(weights).std().item() == pytest.approx((2 / (12 * 9)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("layer", "depth", "expected"),
    [
        (PlainLayer, 4, r"3n \+ 4"),
        (PlainLayer, 41, r"3n \+ 4"),
        (BottleneckLayer, 43, r"6n \+ 4"),
        (BottleneckLayer, -2, r"6n \+ 4"),
    ],
)
def test_other_depths_are_refused(layer, depth, expected):
    with pytest.raises(UsageError, match=rf"cannot have the depth {depth}\n.*{expected}"):
        CifarDenseNet(layer, depth, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growth_rate": -1}, "growth_rate must be 1 or more, not -1"),
        ({"compression": 2.0}, "compression must be above 0 and at most 1, not 2.0"),
        ({"dropout": 1.5}, "dropout must be 0 or more and below 1, not 1.5"),
    ],
)
def test_values_that_cannot_be_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        CifarDenseNet(**{"layer": PlainLayer, "depth": 10, "growth_rate": 4} | options)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"this DenseNet .* 3 x 32 pixels\n.*at least 4 x 4"):
        CifarDenseNet(PlainLayer, 7, 4)(torch.zeros(1, 3, 3, 32))
