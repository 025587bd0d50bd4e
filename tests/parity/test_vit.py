"""Forms of Vision Transformers against torchvision's, timm's and transformers'.

Small networks of every kind; those with a name are in test_named.py.
"""

from functools import partial

import pytest
import torch
import torchvision
from timm.layers import HybridEmbed, StdConv2dSame
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn.functional import interpolate
from transformers import ViTConfig, ViTForImageClassification

from manako.models.backbones.vit import Block, Encoder, Shape, ViT, ViTClassifier
from manako.models.backbones.vit_stem import ResNetStem
from manako.models.foreign.timm import from_timm
from manako.models.foreign.torchvision import from_torchvision
from manako.models.foreign.transformers import from_transformers
from networks import (
    CLOSE,
    difference,
    error_of_a_training_step,
    error_of_outputs,
    outputs,
    pair,
)

SMALL = Shape(width=48, depth=3, heads=4)
STEM = (1, 2)


def random_images(*size_hw):
    return torch.randn(2, 3, *size_hw, generator=torch.Generator().manual_seed(1))


def on_grid(tokens, height=2, width=2):
    """[B, N, D] -> [B, D, h, w], without the class token."""
    return tokens[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))


def small(size=32, patch=16, stem=False, **options):
    pool = options.pop("pool", "class")
    backbone = ViT(
        Encoder(SMALL, **options),
        size=size,
        patch=patch,
        class_token=pool == "class",
        stem=ResNetStem(STEM) if stem else None,
    )
    return ViTClassifier(backbone, 11)


def small_torchvision(**options):
    return torchvision.models.VisionTransformer(
        32, 16, SMALL.depth, SMALL.heads, SMALL.width, 4 * SMALL.width, num_classes=11, **options
    )


def small_timm(size=32, patch=16, **options):
    width, depth, heads = SMALL
    return VisionTransformer(size, patch, 3, 11, "token", width, depth, heads, **options)


def small_timm_mean():
    width, depth, heads = SMALL
    mean = {"class_token": False, "fc_norm": False}
    return VisionTransformer(32, 16, 3, 11, "avg", width, depth, heads, **mean)


def small_timm_hybrid():
    stem = ResNetV2(
        layers=STEM,
        num_classes=0,
        global_pool="",
        preact=False,
        stem_type="same",
        conv_layer=partial(StdConv2dSame, eps=1e-8),
    )
    return small_timm(patch=2, embed_layer=partial(HybridEmbed, backbone=stem))


def small_transformers():
    width, depth, heads = SMALL
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            image_size=32,
            num_labels=11,
        )
    )


IMAGES = random_images(32, 32)
SMALL_PAIRS = {
    "torchvision": lambda: pair(
        small, small_torchvision, from_torchvision, IMAGES, maps={16: "encoder.ln"}, to_ours=on_grid
    ),
    "timm": lambda: pair(small, small_timm, from_timm, IMAGES, maps={16: "norm"}, to_ours=on_grid),
    "timm, mean": lambda: pair(
        partial(small, pool="mean"),
        small_timm_mean,
        from_timm,
        IMAGES,
        maps={16: "norm"},
        to_ours=on_grid,
    ),
    "timm, hybrid": lambda: pair(
        partial(small, patch=2, stem=True),
        small_timm_hybrid,
        from_timm,
        IMAGES,
        maps={4: "patch_embed.backbone.stages.0", 8: "patch_embed.backbone.stages.1", 16: "norm"},
        to_ours=lambda output: output if output.ndim == 4 else on_grid(output),
    ),
    "transformers": lambda: pair(
        partial(small, eps=1e-12),
        small_transformers,
        from_transformers,
        IMAGES,
        maps={16: "vit.layernorm"},
        to_ours=on_grid,
    ),
}


@pytest.fixture(scope="module", params=SMALL_PAIRS)
def both(request):
    return SMALL_PAIRS[request.param]()


def test_logits_feature_maps_and_input_gradients_equal_theirs(both):
    assert error_of_outputs(both) < CLOSE


def test_gradients_of_a_training_step_equal_theirs(both):
    assert error_of_a_training_step(both) < CLOSE


@pytest.mark.parametrize("size_hw", [(32, 80), (64, 48), (96, 112)])
def test_positions_for_another_size_are_those_of_timm(size_hw):
    both = pair(
        partial(small, size=64),
        partial(small_timm, size=64, dynamic_img_size=True),
        from_timm,
        random_images(*size_hw),
        maps={16: "norm"},
        to_ours=lambda tokens: on_grid(tokens, size_hw[0] // 16, size_hw[1] // 16),
    )

    ours, theirs = outputs(both)

    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < 1e-6  # timm interpolates in float32


@pytest.mark.parametrize("grid_hw", [(3, 5), (4, 4), (2, 9), (13, 2)])
def test_positions_are_interpolated_as_torch_interpolates_pictures(grid_hw):
    tokens = small(size=80).double().backbone.tokens
    kept, grid = tokens.positions[:, :1], on_grid(tokens.positions, 5, 5)

    found = tokens.positions_for(grid_hw)

    torch.testing.assert_close(found[:, :1], kept, rtol=0, atol=0)
    torch.testing.assert_close(
        on_grid(found, *grid_hw), interpolate(grid, grid_hw, mode="bicubic", antialias=True)
    )


def test_dropout_strikes_where_it_does_in_torchvisions_network():
    both = SMALL_PAIRS["torchvision"]()
    images = both.images[:1]  # where masks lie in memory depends on the order of longer batches
    logits = []

    for model in (both.ours.train(), both.theirs.train()):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.3
        torch.manual_seed(5)
        logits.append(model(images))

    assert difference(*logits) < CLOSE
    assert difference(logits[0], both.ours.eval()(images)) > 0.01


def test_a_block_normalised_afterwards_equals_torchs():
    theirs = nn.TransformerEncoderLayer(
        48, 4, 192, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True
    ).double()
    ours = Block(48, 4, norm="post").double()
    generator = torch.Generator().manual_seed(0)
    for tensor in theirs.state_dict().values():
        tensor.uniform_(-0.5, 0.5, generator=generator)
    names = {"self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj.": "attention.proj."}
    names |= {"linear1": "mlp.fc1", "linear2": "mlp.fc2"}
    state = {}
    for name, tensor in theirs.state_dict().items():
        start = next((old for old in names if name.startswith(old)), "")
        state[names.get(start, "") + name.removeprefix(start)] = tensor
    ours.load_state_dict(state)
    x = torch.randn(2, 7, 48, dtype=torch.float64, generator=generator)

    assert difference(ours(x), theirs(x)) < CLOSE
