"""Vision Transformers, on patches of the picture and on the maps of a residual network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from manako.models.backbones.vit import (
    BASE,
    HUGE,
    LARGE,
    SMALL,
    TINY,
    Encoder,
    Norm,
    Shape,
    ViT,
    ViTClassifier,
)
from manako.models.backbones.vit_stem import ResNetStem
from manako.models.entry import Entry, Layout, Paper, cifar10, imagenet
from manako.models.layers.scaling import deepened, widened

VIT = Paper(
    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", 2021, "2010.11929"
)
DEIT = Paper(
    "Training data-efficient image transformers & distillation through attention",
    2021,
    "2012.12877",
)


def _vit(
    shape: Shape,
    stem_depths: Sequence[int] = (),
    /,
    *,
    num_classes: int,
    in_channels: int,
    size: int = 224,
    patch: int = 16,
    pool: Literal["class", "mean"] = "class",
    norm: Norm = "pre",
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    eps: float = 1e-6,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> ViTClassifier:
    head = shape.width // shape.heads  # a wider one has more heads of the same width
    width = widened(shape.width, width_factor, head)
    shape = Shape(width, deepened([shape.depth], depth_factor)[0], width // head)
    encoder = Encoder(shape, norm=norm, dropout=dropout, stochastic_depth=stochastic_depth, eps=eps)
    stem = ResNetStem(stem_depths, in_channels) if stem_depths else None
    class_token = pool == "class"
    backbone = ViT(encoder, in_channels, size=size, patch=patch, class_token=class_token, stem=stem)
    return ViTClassifier(backbone, num_classes)


def _plain(
    shape: Shape, patch: int, params: int, reference: str, *layouts: Layout, paper: Paper = VIT
) -> Entry:
    build = partial(_vit, shape, patch=patch)
    return imagenet(build, paper, params, reference, *layouts, "timm", "transformers")


def _deit(shape: Shape, patch: int, params: int, name: str) -> Entry:
    return _plain(shape, patch, params, f"timm {name}", paper=DEIT)


def _of_torchvision(shape: Shape, patch: int, params: int, name: str) -> Entry:
    return _plain(shape, patch, params, f"torchvision.models.{name}", "torchvision")


def _hybrid(
    shape: Shape, stem_depths: Sequence[int], params: int, name: str, *, side: int = 224
) -> Entry:
    build = partial(_vit, shape, stem_depths, patch=1, size=side)
    return imagenet(build, VIT, params, f"timm {name}", "timm", side=side)


ENTRIES: dict[str, Entry] = {
    "vit_b_16": _of_torchvision(BASE, 16, 86_567_656, "vit_b_16"),
    "vit_b_32": _of_torchvision(BASE, 32, 88_224_232, "vit_b_32"),
    "vit_l_16": _of_torchvision(LARGE, 16, 304_326_632, "vit_l_16"),
    "vit_l_32": _of_torchvision(LARGE, 32, 306_535_400, "vit_l_32"),
    "vit_h_14": _of_torchvision(HUGE, 14, 632_045_800, "vit_h_14"),
    "vit_tiny_patch16_224": _deit(TINY, 16, 5_717_416, "vit_tiny_patch16_224"),
    "vit_small_patch16_224": _deit(SMALL, 16, 22_050_664, "vit_small_patch16_224"),
    "vit_small_patch32_224": _deit(SMALL, 32, 22_878_952, "vit_small_patch32_224"),
    "vit_tiny_patch4_32": cifar10(
        partial(_vit, TINY, patch=4, size=32),
        DEIT,
        5_362_762,
        "own form: that of vit_tiny_patch16_224 for small pictures",
    ),
    "vit_small_r26_s32_224": _hybrid(SMALL, (2, 2, 2, 2), 36_431_912, "vit_small_r26_s32_224"),
    "vit_base_r50_s16_224": _hybrid(BASE, (3, 4, 9), 98_659_112, "vit_base_r50_s16_224"),
    "vit_base_r50_s16_384": _hybrid(BASE, (3, 4, 9), 98_950_952, "vit_base_r50_s16_384", side=384),
    "vit_large_r50_s32_224": _hybrid(LARGE, (3, 4, 6, 3), 328_994_856, "vit_large_r50_s32_224"),
}
