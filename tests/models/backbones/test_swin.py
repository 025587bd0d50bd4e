import numpy as np
import pytest
import torch
from torch import nn

from manako.errors import ShapeError, UsageError
from manako.models.backbones.swin import (
    PatchMerging,
    SwinTransformer,
    WindowAttention,
    Windows,
    relative_positions,
    swin_classifier,
)
from manako.models.layers.channel_norm import ChannelNorm
from manako.models.layers.stochastic_depth import StochasticDepth
from manako.models.zoo import create_model
from networks import model_without_values

VARIANTS = {  # appendix A1, table 7; the last is ours
    "swin_t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 4),
    "swin_s": (96, (2, 2, 18, 2), (3, 6, 12, 24), 4),
    "swin_b": (128, (2, 2, 18, 2), (4, 8, 16, 32), 4),
    "swin_t_32": (96, (2, 6, 4), (3, 6, 12), 2),
}


def backbone_of(name, in_channels=3):
    return model_without_values(name, in_channels=in_channels).backbone


def tokens(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_has_the_channels_blocks_and_heads_of_its_table(name):
    width, depths, heads, mlp_ratio = VARIANTS[name]

    model = backbone_of(name)
    stages = list(model.features)[1::2]

    assert list(model.channels.values()) == [width * 2**number for number in range(len(depths))]
    assert tuple(len(stage) for stage in stages) == depths
    assert tuple(stage[0].attn.heads for stage in stages) == heads
    for stage, channels in zip(stages, model.channels.values(), strict=True):
        for block in stage:
            assert block.mlp[0].weight.shape == (mlp_ratio * channels, channels)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(name, size_hw):
    model = backbone_of(name, in_channels=1)

    with torch.device("meta"):
        features = model(torch.zeros(2, 1, *size_hw))

    finest = min(model.channels)
    height, width = (side // finest for side in size_hw)
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        stride: (2, channels, -(-height * finest // stride), -(-width * finest // stride))
        for stride, channels in model.channels.items()
    }


def test_every_other_block_shifts_its_windows_where_there_are_several():
    model = backbone_of("swin_t")
    seen = []
    for stage in list(model.features)[1::2]:
        for block in stage:
            block.register_forward_pre_hook(lambda _, given: seen.append(given[1].shift_hw))

    with torch.device("meta"):
        model(torch.zeros(1, 3, 224, 224))

    assert seen == [(0, 0), (3, 3)] * 5 + [(0, 0)] * 2


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("height", "width", "side"), [(6, 9, 3), (5, 7, 3), (3, 8, 4), (2, 2, 5)])
def test_windows_put_together_are_the_map(height, width, side, shifted):
    x = tokens(2, height, width, 4)
    windows = Windows(x, side, shifted=shifted)

    split = windows.split(x)

    assert split.shape == (2, -(-height // side) * -(-width // side), side * side, 4)
    assert torch.equal(windows.join(split), x)


def test_shifted_windows_begin_half_a_side_later_and_the_last_is_filled_from_the_start():
    x = torch.arange(36.0).view(1, 6, 6, 1)

    split = Windows(x, 3, shifted=True).split(x)[0, :, :, 0]

    assert split[0].tolist() == [7, 8, 9, 13, 14, 15, 19, 20, 21]
    assert split[3].tolist() == [28, 29, 24, 34, 35, 30, 4, 5, 0]


def attention_by_the_definition(attention, x, window, shift_hw):
    """Token by token: softmax over those of the same window of the padded map (equation 4)."""
    (batch, height, width, channels), heads = x.shape, attention.heads
    padded_h, padded_w = (-(-length // window) * window for length in (height, width))
    padded = x.new_zeros(batch, padded_h, padded_w, channels)
    padded[:, :height, :width] = x
    q, k, v = attention.qkv(padded).view(batch, padded_h, padded_w, 3, heads, 32).unbind(3)
    places = [(row, column) for row in range(padded_h) for column in range(padded_w)]

    def window_of(place):
        return [
            (one - shift) // window if length > window else 0
            for one, shift, length in zip(place, shift_hw, (padded_h, padded_w), strict=True)
        ]

    found = torch.zeros_like(x)
    for row, column in places:
        if row >= height or column >= width:
            continue
        others = [one for one in places if window_of(one) == window_of((row, column))]
        scores = []
        for other_row, other_column in others:
            down, right = row - other_row + window - 1, column - other_column + window - 1
            bias = attention.relative_position_bias_table[down * (2 * window - 1) + right]
            product = (q[:, row, column] * k[:, other_row, other_column]).sum(-1)
            scores.append(product / 32**0.5 + bias)
        weights = torch.stack(scores).softmax(0)
        values = torch.stack([v[:, one[0], one[1]] for one in others])
        found[:, row, column] = (weights[..., None] * values).sum(0).flatten(1)
    return attention.proj(found)


@torch.no_grad()
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "window"), [(6, 9, 3), (5, 7, 3), (2, 7, 3), (3, 3, 3), (4, 6, 2)]
)
def test_attention_equals_its_definition(height, width, window, shifted):
    attention = WindowAttention(64, window).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in attention.parameters():
        parameter.normal_(std=0.3, generator=generator)
    x = tokens(2, height, width, 64)

    found = attention(x, Windows(x, window, shifted=shifted), relative_positions(window))

    shift = window // 2 if shifted else 0
    expected = attention_by_the_definition(attention, x, window, (shift, shift))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_the_gradient_of_the_bias_table_is_always_the_same_also_in_several_threads():
    attention = WindowAttention(24 * 32, 7)  # large enough that torch shares the work
    nn.init.normal_(attention.relative_position_bias_table)
    windows = Windows(tokens(1, 7, 7, 1), 7, shifted=False)
    direction = tokens(49, 49, 24).float().permute(2, 0, 1)
    gradients = []

    for _ in range(100):  # of which an index differs in a few
        attention.zero_grad()
        attention.bias(windows, relative_positions(7)).backward(direction)
        gradients.append(attention.relative_position_bias_table.grad)

    assert all(torch.equal(one, gradients[0]) for one in gradients)


def test_merging_puts_the_lower_token_before_the_right_one_and_pads_odd_sides_with_zeros():
    merging = PatchMerging(1)
    merging.norm, merging.reduction = nn.Identity(), nn.Identity()

    merged = merging(torch.arange(1.0, 7).view(1, 2, 3, 1))

    assert merged[0].tolist() == [[[1, 4, 2, 5], [3, 6, 0, 0]]]


def test_the_last_norm_works_on_the_channels_of_every_place():
    norm, x = ChannelNorm(8).double(), tokens(2, 8, 3, 4)

    found = norm(x)

    deviation = (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(found, (x - x.mean(1, keepdim=True)) / deviation)


def test_stochastic_depth_rises_evenly_from_the_first_block_to_the_last():
    rates = [
        module.rate
        for module in backbone_of("swin_t").modules()
        if isinstance(module, StochasticDepth)
    ]
    asked = create_model("swin_t_32", stochastic_depth=0.0)

    assert rates == pytest.approx(np.linspace(0, 0.2, 12))
    assert {one.rate for one in asked.modules() if isinstance(one, StochasticDepth)} == {0.0}


@pytest.mark.parametrize(("name", "rate"), [("swin_s", 0.3), ("swin_b", 0.5), ("swin_t_32", 0.1)])
def test_larger_variants_leave_out_more(name, rate):
    *_, last = backbone_of(name).features[-1]

    assert last.stochastic_depth.rate == pytest.approx(rate)


def test_window_and_patch_can_be_chosen():
    model = create_model("swin_t", num_classes=3, window="4", patch=2, dropout=0.4)
    backbone = model.backbone

    assert backbone.channels == {2: 96, 4: 192, 8: 384, 16: 768}
    assert backbone.least_side == model.least_side == 16
    assert backbone.features[0].proj.weight.shape == (96, 3, 2, 2)
    assert backbone.features[3][0].attn.relative_position_bias_table.shape == (49, 6)
    assert model.dropout.p == 0.4


@pytest.mark.parametrize(
    ("option", "value"),
    [("window", 0), ("patch", 0), ("width", 48)],
)
def test_options_that_cannot_be_are_refused(option, value):
    with pytest.raises(UsageError, match=rf"cannot have .*{option}={value}.*\n.*of 1 or more"):
        SwinTransformer(**{"width": 32, "depths": (2, 2), option: value})


@pytest.mark.parametrize("rate", [1.0, -0.1])
def test_a_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(UsageError, match="stochastic depth cannot have the rate"):
        SwinTransformer(32, (2, 2), stochastic_depth=rate)


def test_too_small_pictures_are_refused():
    with torch.device("meta"), pytest.raises(ShapeError, match=r"31 x 40 .*\n.*at least 32 x 32"):
        backbone_of("swin_t")(torch.zeros(1, 3, 31, 40))


def test_fresh_weights_are_small_and_those_of_the_reference():
    torch.manual_seed(0)
    model = swin_classifier(SwinTransformer(192, (1, 1)), 50)
    block = model.backbone.features[3][0]

    for weight in (block.attn.qkv, block.mlp[0], model.backbone.features[2].reduction, model.head):
        assert weight.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert abs(weight.weight.mean().item()) < 3e-4
    for layer in (block.attn.qkv, block.attn.proj, block.mlp[2], model.head):
        assert not layer.bias.any()
    tables = block.attn.relative_position_bias_table
    assert tables.std().item() == pytest.approx(0.02, rel=0.05)
    embedding = model.backbone.features[0].proj.weight  # as torch makes it: uniform
    assert embedding.std().item() == pytest.approx((1 / (3 * 3 * 4 * 4)) ** 0.5, rel=0.05)
    assert torch.equal(model.map_norm.weight, torch.ones(384))


def test_nothing_but_parameters_is_kept():
    model = backbone_of("swin_t_32")

    assert not list(model.buffers())
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


@pytest.mark.parametrize(
    ("window", "patch", "depths"), [(3, 2, (2, 2)), (4, 1, (3, 1)), (2, 2, (1, 2))]
)
def test_the_receptive_field_is_what_gradients_show(window, patch, depths):
    torch.manual_seed(0)
    model = SwinTransformer(32, depths, 1, window=window, patch=patch).double()
    for parameter in model.parameters():
        if parameter.ndim > 1:  # nothing vanishes
            nn.init.normal_(parameter, std=0.3)
    cells = 12 * window  # of the deepest map; the unit is in the middle
    images = tokens(1, 1, model.least_side, 2 * patch * cells).requires_grad_()

    deepest = model(images)[2 * patch][0, :, 0]
    widths = []
    for unit in range(cells // 2, cells // 2 + window):
        (gradient,) = torch.autograd.grad(deepest[:, unit].sum(), images, retain_graph=True)
        columns = gradient.sum((0, 1, 2)).nonzero()
        widths.append(int(columns.max() - columns.min()) + 1)

    assert model.receptive_field == max(widths)
