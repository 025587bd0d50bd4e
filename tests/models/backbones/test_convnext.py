import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.convnext import Block, ConvNeXt
from manako.models.layers.channel_norm import ChannelNorm
from manako.models.layers.stochastic_depth import StochasticDepth
from manako.models.zoo import create_model, model_info
from networks import model_without_values

TABLE = {  # section 3 of the paper: blocks, channels; and the rates of the training on ImageNet-1K
    "convnext_tiny": ((3, 3, 9, 3), (96, 192, 384, 768), 0.1),
    "convnext_small": ((3, 3, 27, 3), (96, 192, 384, 768), 0.4),
    "convnext_base": ((3, 3, 27, 3), (128, 256, 512, 1024), 0.5),
    "convnext_large": ((3, 3, 27, 3), (192, 384, 768, 1536), 0.5),
}


def small(**options):
    torch.manual_seed(0)
    return ConvNeXt((1, 1, 2, 1), 16, **options)


def layer_norm(x, weight, bias):
    """Over the last dimension, from the definition."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight + bias


@pytest.mark.parametrize("name", TABLE)
def test_a_name_has_the_blocks_channels_and_rates_of_its_paper(name):
    depths, channels, rate = TABLE[name]

    backbone = model_without_values(name).backbone
    blocks = [[one for one in stage if isinstance(one, Block)] for stage in backbone.features]
    rates = [one.stochastic_depth.rate for stage in blocks for one in stage]

    assert tuple(len(stage) for stage in blocks if stage) == depths
    assert tuple(backbone.channels.values()) == channels
    assert rates == pytest.approx(torch.linspace(0, rate, sum(depths)).tolist())
    options = model_info(name).options
    assert (options["stochastic_depth"], options["layer_scale"]) == (rate, 1e-6)


@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(size_hw):
    height, width = size_hw
    with torch.device("meta"):
        model = ConvNeXt((1, 2, 1, 1), 24, in_channels=2).eval()

        features = model(torch.zeros(2, 2, height, width))

    shapes = {stride: tuple(x.shape) for stride, x in features.items()}
    assert shapes == {
        4: (2, 24, height // 4, width // 4),
        8: (2, 48, height // 8, width // 8),
        16: (2, 96, height // 16, width // 16),
        32: (2, 192, height // 32, width // 32),
    }


def test_a_block_equals_its_definition():
    generator = torch.Generator().manual_seed(0)
    block = Block(6, rate=0.0, layer_scale=1.0).double()
    for parameter in block.parameters():
        parameter.data.uniform_(-0.5, 0.5, generator=generator)
    x = torch.randn(2, 6, 5, 8, dtype=torch.float64, generator=generator)
    kernel, bias, *norm, first, first_bias, second, second_bias = block.block.parameters()

    padded = functional.pad(x, (3, 3, 3, 3))
    windows = padded.unfold(2, 7, 1).unfold(3, 7, 1)  # [B, C, H, W, 7, 7]
    y = torch.einsum("bchwij,cij->bhwc", windows, kernel[:, 0]) + bias
    y = layer_norm(y, *norm) @ first.T + first_bias
    y = y * (1 + torch.erf(y / 2**0.5)) / 2 @ second.T + second_bias
    expected = x + block.layer_scale * y.permute(0, 3, 1, 2)

    torch.testing.assert_close(block(x), expected)


def test_the_norm_of_a_map_looks_at_one_pixel_at_a_time():
    norm = ChannelNorm(4, 1e-6)
    x = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))

    expected = layer_norm(x.movedim(1, -1), norm.weight, norm.bias).movedim(-1, 1)

    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_no_map_behind_the_stem_is_copied_to_permute_it(memory_format):
    model = small().eval()
    images = torch.randn(2, 3, 64, 64).contiguous(memory_format=memory_format)
    given, inside = [], []
    for module in model.modules():
        if type(module) is nn.LayerNorm:
            module.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
        elif isinstance(module, Block):
            module.register_forward_hook(lambda *_: inside.append(_[2]))

    model(images)

    assert len(given) == len(inside) == 5
    assert all(x.is_contiguous() for x in given)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in inside)


def test_fresh_weights_are_drawn_with_a_deviation_of_a_fiftieth_and_branches_start_small():
    model = create_model("convnext_tiny", num_classes=50)

    block = model.backbone.features[5][3]
    drawn = [
        block.block[0],  # depthwise
        block.block[3],
        block.block[5],
        model.backbone.features[0][0],
        model.backbone.features[6][1],
        model.head,
    ]

    for layer in drawn:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(layer.weight.mean().item()) < 1e-3
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert torch.equal(block.layer_scale, torch.full((384, 1, 1), 1e-6))
    for norm in (block.block[2], model.backbone.features[0][1], model.mean_norm):
        assert norm.eps == 1e-6
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))


def test_options_reach_every_block():
    model = model_without_values("convnext_tiny", stochastic_depth=0.34)
    rates = [one.rate for one in model.modules() if isinstance(one, StochasticDepth)]

    scales = [one.layer_scale for one in small(layer_scale=0.5).modules() if isinstance(one, Block)]

    assert rates == pytest.approx([0.02 * number for number in range(18)])
    assert [scale.unique().tolist() for scale in scales] == [[0.5]] * 5


def test_stochastic_depth_leaves_out_a_branch_and_never_the_input():
    torch.manual_seed(0)
    block = Block(8, rate=0.5, layer_scale=1.0).train()
    x = torch.randn(64, 8, 3, 3)

    y = block(x)
    left_out = (y == x).flatten(1).all(1)
    branch = block.eval()(x) - x

    assert 16 < left_out.sum() < 48
    torch.testing.assert_close((y - x)[~left_out], 2 * branch[~left_out], atol=1e-5, rtol=1e-4)


def test_a_rate_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match=r"stochastic depth cannot have the rate 1\.0"):
        small(stochastic_depth=1.0)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"this ConvNeXt .* 31 x 40 .*\n.*at least 32 x 32"):
        small()(torch.zeros(1, 3, 31, 40))
