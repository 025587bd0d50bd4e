from dataclasses import replace

import pytest
import torch
from torch import nn

from manako.errors import ShapeError, UsageError
from manako.models.backbones.efficientnet import (
    VARIANTS,
    EfficientNet,
    MBConv,
    SqueezeExcitation,
    compound_scaling,
    efficientnet,
    scaled_channels,
)
from manako.models.zoo import create_model, model_info

# Tan and Le 2019, table 1: kernel, input side, channels and layers of stages 1 to 9 of B0.
PAPER_STAGES = [
    (3, 224, 32, 1),
    (3, 112, 16, 1),
    (3, 112, 24, 2),
    (5, 56, 40, 2),
    (3, 28, 80, 3),
    (5, 14, 112, 3),
    (5, 14, 192, 4),
    (3, 7, 320, 1),
    (1, 7, 1280, 1),
]

# Table 2: million parameters and billion multiply-adds; the sides are those of the authors' code.
PAPER_COST = {
    "b0": (224, 5.3, 0.39),
    "b1": (240, 7.8, 0.70),
    "b2": (260, 9.2, 1.0),
    "b3": (300, 12, 1.8),
    "b4": (380, 19, 4.2),
    "b5": (456, 30, 9.9),
    "b6": (528, 43, 19),
    "b7": (600, 66, 37),
}

# By hand from the coefficients: stem, channels of the seven stages, last convolution; layers.
SCALED = {
    "b0": ([32, 16, 24, 40, 80, 112, 192, 320, 1280], [1, 2, 2, 3, 3, 4, 1]),
    "b1": ([32, 16, 24, 40, 80, 112, 192, 320, 1280], [2, 3, 3, 4, 4, 5, 2]),
    "b2": ([32, 16, 24, 48, 88, 120, 208, 352, 1408], [2, 3, 3, 4, 4, 5, 2]),
    "b3": ([40, 24, 32, 48, 96, 136, 232, 384, 1536], [2, 3, 3, 5, 5, 6, 2]),
    "b4": ([48, 24, 32, 56, 112, 160, 272, 448, 1792], [2, 4, 4, 6, 6, 8, 2]),
    "b5": ([48, 24, 40, 64, 128, 176, 304, 512, 2048], [3, 5, 5, 7, 7, 9, 3]),
    "b6": ([56, 32, 40, 72, 144, 200, 344, 576, 2304], [3, 6, 6, 8, 8, 11, 3]),
    "b7": ([64, 32, 48, 80, 160, 224, 384, 640, 2560], [4, 7, 7, 10, 10, 13, 4]),
}


def without_values(name, **options):
    with torch.device("meta"):
        return efficientnet(name, **options)


def blocks_of(model):
    return [module for module in model.modules() if isinstance(module, MBConv)]


def test_b0_has_the_stages_of_the_papers_table():
    model = without_values("b0")
    found = []
    for part in model.features:
        part.register_forward_pre_hook(lambda _, given: found.append([given[0].shape[-1]]))
        part.register_forward_hook(lambda _, __, out: found[-1].append(out.shape[1]))

    model(torch.zeros(1, 3, 224, 224, device="meta"))

    assert [tuple(one) for one in found] == [(side, out) for _, side, out, _ in PAPER_STAGES]
    assert [len(part) for part in model.features[1:-1]] == [row[3] for row in PAPER_STAGES[1:-1]]
    for part, (kernel, *_) in zip(model.features, PAPER_STAGES, strict=True):
        sizes = {layer.kernel_size[0] for layer in part.modules() if isinstance(layer, nn.Conv2d)}
        assert max(sizes) == kernel


def test_only_the_first_stage_has_no_expansion_and_the_others_have_six_times_the_input():
    first, *others = blocks_of(without_values("b0"))

    assert [type(layer).__name__ for layer in first.block] == [
        "Sequential",
        "SqueezeExcitation",
        "Sequential",
    ]
    for block in others:
        expand, filters, _, project = block.block
        assert expand[0].out_channels == 6 * expand[0].in_channels == filters[0].groups
        assert len(project) == 2  # no nonlinearity


@pytest.mark.parametrize("name", VARIANTS)
def test_compound_scaling_gives_the_channels_and_layers_counted_by_hand(name):
    model = without_values(name)
    channels, layers = SCALED[name]

    stages = compound_scaling(VARIANTS[name].width, VARIANTS[name].depth)

    assert [stage.channels for stage in stages] == channels[1:-1]
    assert [stage.layers for stage in stages] == layers
    assert [len(part) for part in model.features[1:-1]] == layers
    assert model.features[0][0].out_channels == channels[0]
    assert model.features[8][0].out_channels == channels[-1]


def test_channels_are_multiples_of_8_near_what_was_wanted_and_not_below_90_percent():
    for channels in range(1, 400):
        for width in (0.35, 1.0, 1.1, 1.4, 2.0):
            found, wanted = scaled_channels(channels, width), channels * width

            assert found % 8 == 0
            assert found >= 0.9 * wanted
            nearer = [8 * n for n in range(1, 110) if abs(8 * n - wanted) < abs(found - wanted)]
            assert all(other < 0.9 * wanted for other in nearer)


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_and_cost_are_near_those_of_the_papers_table_2(name):
    side, parameters, multiply_adds = PAPER_COST[name]
    info = model_info(f"efficientnet_{name}")

    assert info.params / 1e6 == pytest.approx(parameters, rel=0.02)
    assert replace(info, size_hw=(side, side)).macs / 1e9 == pytest.approx(multiply_adds, rel=0.05)


@pytest.mark.parametrize("name", ["b0", "b5"])
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(name, size_hw):
    model = without_values(name, in_channels=2).eval()

    features = model(torch.zeros(2, 2, *size_hw, device="meta"))

    height, width = size_hw
    assert list(features) == [2, 4, 8, 16, 32]
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        stride: (2, channels, -(-height // stride), -(-width // stride))
        for stride, channels in model.channels.items()
    }
    assert model.get_parameter(model.first_convolution).shape[1] == 2


def test_squeeze_excitation_scales_channels_by_a_function_of_their_means():
    layer = SqueezeExcitation(6, 2).double()
    x = torch.randn(3, 6, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    found = layer(x)

    means = x.sum((2, 3)) / 20
    squeezed = means @ layer.fc1.weight[:, :, 0, 0].T + layer.fc1.bias
    squeezed = squeezed / (1 + (-squeezed).exp())
    excited = squeezed @ layer.fc2.weight[:, :, 0, 0].T + layer.fc2.bias
    factors = 1 / (1 + (-excited).exp())
    torch.testing.assert_close(found, x * factors[:, :, None, None])


def test_the_squeeze_is_to_a_quarter_of_the_blocks_input():
    for block in blocks_of(without_values("b3")):
        c_in = block.block[0][0].in_channels
        (squeeze,) = (part for part in block.block if isinstance(part, SqueezeExcitation))

        assert squeeze.fc1.out_channels == c_in // 4
        assert squeeze.fc1.bias is not None


def test_rates_of_stochastic_depth_rise_from_zero_by_equal_steps():
    rates = [block.stochastic_depth.rate for block in blocks_of(without_values("b0"))]

    assert rates == pytest.approx([0.2 * index / 16 for index in range(16)])
    assert [block.stochastic_depth.rate for block in blocks_of(
        without_values("b0", stochastic_depth=0.0)
    )] == [0.0] * 16  # fmt: skip


def test_stochastic_depth_leaves_the_input_of_some_pictures_where_shapes_agree():
    torch.manual_seed(0)
    x = torch.randn(400, 8, 4, 4)
    agreeing = MBConv(8, 8, expansion=2, kernel=3, stride=1, rate=0.25)
    strided = MBConv(8, 8, expansion=2, kernel=3, stride=2, rate=0.25)
    wider = MBConv(8, 16, expansion=2, kernel=3, stride=1, rate=0.25)

    left_out = (agreeing.train()(x) == x).flatten(1).all(1).float().mean().item()

    assert left_out == pytest.approx(0.25, abs=0.06)
    assert not (agreeing.eval()(x) == x).flatten(1).all(1).any()
    for block in (strided, wider):
        assert not (block.train()(x) == 0).flatten(1).all(1).any()


def test_a_block_whose_shapes_agree_adds_its_input_without_a_nonlinearity():
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    block = MBConv(8, 8, expansion=2, kernel=5, stride=1, rate=0.5).eval()
    nn.init.zeros_(block.block[3][0].weight)
    other = MBConv(8, 16, expansion=2, kernel=5, stride=1, rate=0.5).eval()
    nn.init.zeros_(other.block[3][0].weight)

    assert torch.equal(block(x), x)
    assert torch.equal(other(x), torch.zeros(2, 16, 5, 5))


def test_fresh_filters_follow_their_fan_out_and_norms_start_as_the_identity():
    model = EfficientNet(1.0, 1.0)

    expand, filters, excite, project = model.features[6][3].block

    assert expand[0].weight.std().item() == pytest.approx((2 / 1152) ** 0.5, rel=0.01)
    assert filters[0].weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.03)
    assert project[0].weight.std().item() == pytest.approx((2 / 192) ** 0.5, rel=0.01)
    assert excite.fc1.weight.std().item() == pytest.approx((2 / 48) ** 0.5, rel=0.02)
    assert torch.equal(excite.fc1.bias, torch.zeros(48))
    assert torch.equal(project[1].weight, torch.ones(192))
    assert torch.equal(project[1].bias, torch.zeros(192))


def test_dropout_and_stochastic_depth_are_options():
    model = create_model("efficientnet_b0", num_classes=2, dropout="0.1", stochastic_depth="0.4")

    assert model.dropout.p == 0.1
    assert blocks_of(model)[8].stochastic_depth.rate == pytest.approx(0.4 / 2)
    for name, share in (("b0", 0.2), ("b7", 0.5)):
        options = model_info(f"efficientnet_{name}").options
        assert (options["dropout"], options["stochastic_depth"]) == (share, 0.2)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"dropout must be 0 or more and below 1, not 1\.0"):
        create_model("efficientnet_b0", dropout=1.0)
    with pytest.raises(UsageError, match="stochastic depth cannot have the rate"):
        create_model("efficientnet_b0", stochastic_depth=-0.1)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"31 x 40 .*\n.*at least 32 x 32"):
        without_values("b0")(torch.zeros(1, 3, 31, 40, device="meta"))
