import math

import pytest
import torch
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.metaformer import (
    SMALL,
    Attention,
    Block,
    LayerScale,
    MetaFormer,
    Pooling,
)
from manako.models.layers.stochastic_depth import StochasticDepth
from manako.models.zoo import create_model, model_info
from networks import model_without_values

MIXERS = ["pooling", "attention", "identity", "convolution"]
S, M = (64, 128, 320, 512), (96, 192, 384, 768)
TABLE = {  # table 1 of the paper and the authors' code: blocks, channels, rate, layer scale
    "poolformer_s12": ((2, 2, 6, 2), S, 0.1, 1e-5),
    "poolformer_s24": ((4, 4, 12, 4), S, 0.1, 1e-5),
    "poolformer_s36": ((6, 6, 18, 6), S, 0.2, 1e-6),
    "poolformer_m36": ((6, 6, 18, 6), M, 0.3, 1e-6),
    "poolformer_m48": ((8, 8, 24, 8), M, 0.4, 1e-6),
    "metaformer_s12": ((2, 2, 6, 2), S, 0.1, 1e-5),
}


def scrambled(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = 0.5 if parameter.ndim == 1 else (3 / parameter[0].numel()) ** 0.5
        parameter.data.uniform_(-spread, spread, generator=generator)
    return module.double().eval()


def small(mixer, **options):
    return scrambled(MetaFormer(6, (32, 32, 64, 32), mixer=mixer, **options))


def pooling(x):
    """Pixel by pixel: the mean of those within one step that are there, less the pixel."""
    out = torch.empty_like(x)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            near = x[:, :, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            out[:, :, row, column] = near.mean((2, 3)) - x[:, :, row, column]
    return out


def attention(x, state):
    """Picture by picture and head by head, from the formula softmax(q k / sqrt(32)) v."""
    channels = x.shape[1]
    queries, keys, values = state["token_mixer.qkv.weight"].split(channels)
    pictures = []
    for picture in x:
        tokens = picture.flatten(1).T  # [N, C]
        heads = []
        for start in range(0, channels, 32):
            q, k, v = (tokens @ one[start : start + 32].T for one in (queries, keys, values))
            weights = (q @ k.T / math.sqrt(32)).exp()
            heads.append(weights / weights.sum(1, keepdim=True) @ v)
        mixed = torch.cat(heads, 1) @ state["token_mixer.proj.weight"].T
        pictures.append((mixed + state["token_mixer.proj.bias"]).T.view_as(picture))
    return torch.stack(pictures)


def convolution(x, state):
    """Each channel with a 3x3 kernel of its own."""
    windows = functional.pad(x, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)
    kernels = state["token_mixer.weight"][:, 0]
    mixed = torch.einsum("bchwij,cij->bchw", windows, kernels)
    return mixed + state["token_mixer.bias"][:, None, None]


def block_by_the_definition(mixer, state, x):
    """Equations 2 and 3 with the layer scales."""
    mix = {
        "pooling": lambda y: pooling(y),
        "attention": lambda y: attention(y, state),
        "identity": lambda y: y,
        "convolution": lambda y: convolution(y, state),
    }[mixer]

    def per_channel(name):
        return state[name][:, None, None]

    def norm(y, name):
        mean = y.mean((1, 2, 3), keepdim=True)
        variance = (y - mean).square().mean((1, 2, 3), keepdim=True)
        scaled = (y - mean) / (variance + 1e-5).sqrt() * per_channel(f"{name}.weight")
        return scaled + per_channel(f"{name}.bias")

    def linear(y, name):
        weight = state[f"{name}.weight"][:, :, 0, 0]
        return torch.einsum("oc,bchw->bohw", weight, y) + per_channel(f"{name}.bias")

    x = x + per_channel("layer_scale1.scale") * mix(norm(x, "norm1"))
    hidden = linear(norm(x, "norm2"), "mlp.fc1")
    hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    return x + per_channel("layer_scale2.scale") * linear(hidden, "mlp.fc2")


@pytest.mark.parametrize("name", TABLE)
def test_a_name_has_the_blocks_channels_and_starting_values_of_its_paper(name):
    depths, channels, rate, layer_scale = TABLE[name]

    backbone = model_without_values(name).backbone
    rates = [block.stochastic_depth.rate for level in backbone.levels for block in level.blocks]

    assert tuple(len(level.blocks) for level in backbone.levels) == depths
    assert tuple(backbone.channels.values()) == channels
    assert list(backbone.channels) == [4, 8, 16, 32]
    assert rates == pytest.approx(torch.linspace(0, rate, sum(depths)).tolist())
    assert model_info(name).options["stochastic_depth"] == rate
    assert model_info(name).options["layer_scale"] == layer_scale


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_block_equals_its_definition(mixer):
    block = scrambled(Block(mixer, 64, rate=0.0, layer_scale=1.0))
    x = torch.randn(2, 64, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    expected = block_by_the_definition(mixer, block.state_dict(), x)

    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 5), (4, 3)])
def test_pooling_counts_only_pixels_of_the_map_and_subtracts_its_input(size_hw):
    x = torch.randn(2, 3, *size_hw, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(Pooling()(x), pooling(x))


def test_attention_does_not_know_where_a_pixel_is():
    layer = scrambled(Attention(64))
    x = torch.randn(2, 64, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(layer(x.flip(2)), layer(x).flip(2))
    torch.testing.assert_close(layer(x.mT), layer(x).mT)


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(mixer, size_hw):
    with torch.device("meta"):
        model = MetaFormer(6, SMALL, in_channels=2, mixer=mixer).eval()

        features = model(torch.zeros(2, 2, *size_hw))

    height, width = ((side + 1) // 4 for side in size_hw)  # 7x7 of stride 4 and padding 2
    for stride, channels in zip((4, 8, 16, 32), SMALL, strict=True):
        assert features[stride].shape == (2, channels, height, width)
        height, width = (height + 1) // 2, (width + 1) // 2
    assert list(features) == [4, 8, 16, 32]


@pytest.mark.parametrize("mixer", MIXERS)
def test_every_mixer_trains_and_does_the_same_with_the_channels_last(mixer):
    model = small(mixer)
    images = torch.randn(2, 3, 40, 33, dtype=torch.float64)

    deepest = model(images)[32]
    deepest.square().sum().backward()
    model.to(memory_format=torch.channels_last)
    again = model(images.contiguous(memory_format=torch.channels_last))[32]

    torch.testing.assert_close(again, deepest)
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        if "norm1.bias" not in name:  # a pooling takes it away
            assert parameter.grad.any(), name


@pytest.mark.parametrize("mixer", MIXERS)
@torch.no_grad()
def test_bfloat16_stays_near_with_every_mixer(mixer):
    model = small(mixer).float()
    images = torch.randn(2, 3, 64, 48)

    expected = model(images)[32]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(images)[32]

    assert (found - expected).norm() / expected.norm() < 0.05


@pytest.mark.parametrize(
    ("mixer", "more"),
    [
        ("pooling", 0),
        ("identity", 0),
        ("convolution", sum(d * 10 * w for d, w in zip((2, 2, 6, 2), S, strict=True))),
        ("attention", sum(d * (4 * w * w + w) for d, w in zip((2, 2, 6, 2), S, strict=True))),
    ],
)
def test_networks_of_different_mixers_differ_in_their_mixers_only(mixer, more):
    plain = model_without_values("poolformer_s12").state_dict()

    state = model_without_values("metaformer_s12", mixer=mixer).state_dict()

    others = {name: tensor for name, tensor in state.items() if "token_mixer" not in name}
    assert {name: x.shape for name, x in others.items()} == {n: x.shape for n, x in plain.items()}
    assert sum(x.numel() for n, x in state.items() if "token_mixer" in n) == more


def test_fresh_weights_are_as_in_the_code_of_the_authors():
    model = create_model("metaformer_s12", num_classes=50, mixer="attention")

    level = model.backbone.levels[2]
    block = level.blocks[3]
    for layer in (block.mlp.fc1, block.mlp.fc2, block.token_mixer.proj, model.head):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert abs(layer.weight.mean().item()) < 1e-3
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert block.token_mixer.qkv.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert block.token_mixer.qkv.bias is None
    # torch's own: uniform within 1 / sqrt(9 * 128).
    assert level.embedding.weight.std().item() == pytest.approx((3 * 9 * 128) ** -0.5, rel=0.03)
    for norm in (block.norm1, block.norm2, model.map_norm):
        assert (norm.num_groups, norm.eps) == (1, 1e-5)
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))


def test_options_reach_every_block():
    model = create_model("poolformer_s12", stochastic_depth=0.22, layer_scale=0.5)

    rates = [one.rate for one in model.modules() if isinstance(one, StochasticDepth)]
    scales = [one.scale for one in model.modules() if isinstance(one, LayerScale)]

    assert rates == pytest.approx([0.02 * number for number in range(12)])
    assert len(scales) == 24
    assert all((scale == 0.5).all() for scale in scales)


def test_the_branches_of_a_block_are_left_out_by_coins_of_their_own():
    torch.manual_seed(0)
    block = Block("identity", 8, rate=0.5, layer_scale=1.0).train()
    kept = []
    block.stochastic_depth.register_forward_hook(
        lambda _, __, branch: kept.append(branch.flatten(1).any(1))
    )

    block(torch.randn(400, 8, 2, 2))
    first, second = kept

    counts = [(first & second).sum(), (first & ~second).sum(), (~first & second).sum()]
    assert all(60 < count < 140 for count in counts)


@pytest.mark.parametrize("blocks", [0, 8, 35])
def test_other_numbers_of_blocks_are_refused(blocks):
    with pytest.raises(UsageError, match=rf"cannot have {blocks} blocks\n.*of 6: 12, 24, 36"):
        MetaFormer(blocks, SMALL)


def test_attention_refuses_widths_that_do_not_divide_into_heads():
    with pytest.raises(UsageError, match=r"widths of \(32, 48, 64, 64\)\n.*multiples of 32"):
        MetaFormer(6, (32, 48, 64, 64), mixer="attention")


def test_another_mixer_is_refused_with_those_there_are():
    with pytest.raises(
        UsageError, match=r"option mixer='fourier' of metaformer_s12: .*'pooling', 'attention'"
    ):
        create_model("metaformer_s12", mixer="fourier")


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"this MetaFormer .* 31 x 40 .*\n.*at least 32 x 32"):
        MetaFormer(6, SMALL)(torch.zeros(1, 3, 31, 40))
