import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.densenet import (
    BottleneckLayer,
    DenseBlock,
    DenseNet,
    PlainLayer,
    Transition,
    block_widths,
)

GROWTH_RATES = {121: 32, 169: 32, 201: 32, 161: 48}


def without_values(depth, **options):
    with torch.device("meta"):
        return DenseNet(depth, growth_rate=GROWTH_RATES[depth], **options).eval()


@pytest.mark.parametrize("depth", GROWTH_RATES)
def test_the_name_counts_the_convolutions_and_the_head(depth):
    convolutions = [one for one in without_values(depth).modules() if isinstance(one, nn.Conv2d)]

    assert len(convolutions) + 1 == depth
    assert all(one.bias is None for one in convolutions)


@pytest.mark.parametrize(
    ("depth", "channels"),
    [
        (121, (256, 512, 1024, 1024)),
        (169, (256, 512, 1280, 1664)),
        (201, (256, 512, 1792, 1920)),
        (161, (384, 768, 2112, 2208)),
    ],
)
def test_pictures_of_the_paper_give_the_maps_of_its_table(depth, channels):
    model = without_values(depth)

    maps = model(torch.zeros(1, 3, 224, 224, device="meta"))

    assert list(maps) == [4, 8, 16, 32]
    assert model.channels == dict(zip(maps, channels, strict=True))
    for stride, found in maps.items():
        assert found.shape == (1, model.channels[stride], 224 // stride, 224 // stride)


def test_the_stem_rounds_sizes_up_and_transitions_down():
    maps = without_values(121)(torch.zeros(1, 3, 61, 57, device="meta"))

    assert [tuple(one.shape[2:]) for one in maps.values()] == [(16, 15), (8, 7), (4, 3), (2, 1)]


@pytest.mark.parametrize("layer", [PlainLayer, BottleneckLayer])
def test_a_block_keeps_its_input_and_every_layer_sees_all_before_it(layer):
    torch.manual_seed(0)
    block = DenseBlock(layer, 5, 14, growth_rate=3, dropout=0.0).eval()
    x = torch.randn(2, 5, 4, 4)

    y = block(x)

    assert list(block) == ["denselayer1", "denselayer2", "denselayer3"]
    assert torch.equal(y[:, :5], x)
    for index, one in enumerate(block.values()):
        seen = 5 + 3 * index
        torch.testing.assert_close(y[:, seen : seen + 3], one(y[:, :seen]))


def test_a_bottleneck_layer_is_a_1x1_to_4k_and_a_3x3_to_k_each_behind_norm_and_relu():
    torch.manual_seed(0)
    layer = BottleneckLayer(6, growth_rate=2, dropout=0.0).eval()
    nn.init.uniform_(layer.norm1.bias)
    nn.init.uniform_(layer.norm2.bias)
    x = torch.randn(2, 6, 5, 5)

    y = functional.conv2d(functional.relu(layer.norm1(x)), layer.conv1.weight)
    y = functional.conv2d(functional.relu(layer.norm2(y)), layer.conv2.weight, padding=1)

    assert layer.conv1.weight.shape == (8, 6, 1, 1)
    assert layer.conv2.weight.shape == (2, 8, 3, 3)
    torch.testing.assert_close(layer(x), y)


def test_a_transition_takes_means_after_its_convolution():
    torch.manual_seed(0)
    transition = Transition(6, 3, dropout=0.0).eval()
    nn.init.uniform_(transition.norm.bias)
    x = torch.randn(2, 6, 5, 4)

    y = transition.conv(functional.relu(transition.norm(x)))
    corners = [y[:, :, i:4:2, j::2] for i in (0, 1) for j in (0, 1)]

    torch.testing.assert_close(transition(x), sum(corners) / 4)


def test_compression_and_growth_rate_set_the_channels():
    with torch.device("meta"):
        model = DenseNet(121, growth_rate=10, compression=0.7)

    assert model.conv0.out_channels == 20
    assert model.channels == {4: 80, 8: 56 + 120, 16: 123 + 240, 32: 254 + 160}
    assert model.transition2.conv.out_channels == 123  # 0.7 * 176 = 123.2
    assert model.norm5.num_features == 414
    assert block_widths(4, (1, 1), growth_rate=1, compression=0.01) == [(4, 5), (1, 2)]


def test_dropout_follows_every_convolution_but_the_first():
    with torch.device("meta"):
        model = DenseNet(121, dropout=0.2)
    order = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Dropout):
            kind = type(module).__name__
            module.register_forward_hook(lambda *_, kind=kind: order.append(kind))

    model(torch.zeros(1, 3, 64, 64, device="meta"))

    assert order == ["Conv2d", *["Conv2d", "Dropout"] * 119]
    assert {one.p for one in model.modules() if isinstance(one, nn.Dropout)} == {0.2}
    assert model.state_dict().keys() == without_values(121).state_dict().keys()


def test_the_deepest_map_is_rectified_and_the_others_are_as_the_transitions_see_them():
    torch.manual_seed(0)
    model = DenseNet(121, growth_rate=4)
    seen = []
    for name in ("transition1", "transition2", "transition3"):
        model.get_submodule(name).register_forward_pre_hook(lambda _, x: seen.append(x[0].clone()))

    maps = model(torch.randn(2, 3, 64, 64))

    for found, expected in zip(maps.values(), seen, strict=False):
        assert torch.equal(found, expected)
        assert found.min() < 0
    assert maps[32].min() == 0


def test_fresh_weights_follow_kaiming_and_norms_start_as_the_identity():
    model = DenseNet(121)

    stem, inner = model.conv0, model.denseblock4.denselayer9.conv1
    new, kept = model.denseblock4.denselayer9.conv2, model.transition3.conv

    assert stem.weight.std().item() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.02)
    assert inner.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.02)
    assert new.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert kept.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert torch.equal(model.norm5.weight, torch.ones(1024))
    assert torch.equal(model.norm5.bias, torch.zeros(1024))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 100}, r"no DenseNet-100\n.*121, 161, 169, 201"),
        ({"growth_rate": 0}, "growth_rate must be 1 or more, not 0"),
        ({"compression": 0.0}, "compression must be above 0 and at most 1, not 0.0"),
        ({"compression": 1.1}, "compression must be above 0 and at most 1, not 1.1"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1, not 1.0"),
        ({"dropout": -0.1}, "dropout must be 0 or more and below 1, not -0.1"),
    ],
)
def test_values_that_cannot_be_are_refused(options, message):
    with pytest.raises(UsageError, match=message), torch.device("meta"):
        DenseNet(**{"depth": 121} | options)


def test_too_small_pictures_are_refused():
    images = torch.zeros(1, 3, 28, 40, device="meta")

    with pytest.raises(ShapeError, match=r"this DenseNet .* 28 x 40 pixels\n.*at least 29 x 29"):
        without_values(121)(images)
