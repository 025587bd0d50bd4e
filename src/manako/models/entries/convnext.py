"""Convolutional networks made like transformers, and transformers made of anything: ConvNeXt,
PoolFormer and MetaFormer."""

from __future__ import annotations

from functools import partial
from typing import cast

from torch import nn

from manako.models.backbones.convnext import EPS, ConvNeXt
from manako.models.backbones.metaformer import (
    HEAD_WIDTH,
    MEDIUM,
    SMALL,
    MetaFormer,
    Mixer,
    Widths,
)
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, imagenet
from manako.models.layers.initialise import truncated_normal
from manako.models.layers.scaling import deepened, widened

CONVNEXT = Paper("A ConvNet for the 2020s", 2022, "2201.03545")
METAFORMER = Paper("MetaFormer Is Actually What You Need for Vision", 2022, "2111.11418")

Depths = tuple[int, int, int, int]


def _convnext(
    depths: Depths,
    width: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    stochastic_depth: float,
    layer_scale: float = 1e-6,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    chosen = {"stochastic_depth": stochastic_depth, "layer_scale": layer_scale}
    width = widened(width, width_factor)
    backbone = ConvNeXt(deepened(depths, depth_factor), width, in_channels, **chosen)
    model = Classifier(backbone, num_classes, mean_norm=nn.LayerNorm(8 * width, EPS))
    truncated_normal(model.head)
    return model


def _metaformer(
    blocks: int,
    widths: Widths,
    /,
    *,
    num_classes: int,
    in_channels: int,
    mixer: Mixer = "pooling",
    stochastic_depth: float = 0.1,
    layer_scale: float = 1e-5,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    blocks = 6 * deepened([blocks // 6], depth_factor)[0]
    multiple = HEAD_WIDTH if mixer == "attention" else 8
    widths = cast("Widths", tuple(widened(one, width_factor, multiple) for one in widths))
    chosen = {"stochastic_depth": stochastic_depth, "layer_scale": layer_scale}
    backbone = MetaFormer(blocks, widths, in_channels, mixer=mixer, **chosen)
    model = Classifier(backbone, num_classes, map_norm=nn.GroupNorm(1, widths[-1]))
    truncated_normal(model.head)
    return model


def _poolformer(
    blocks: int,
    widths: Widths,
    /,
    *,
    num_classes: int,
    in_channels: int,
    stochastic_depth: float,
    layer_scale: float,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    """A MetaFormer without the choice of the mixer."""
    return _metaformer(
        blocks,
        widths,
        num_classes=num_classes,
        in_channels=in_channels,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
        width_factor=width_factor,
        depth_factor=depth_factor,
    )


def _next(size: str, depths: Depths, width: int, params: int, rate: float) -> Entry:
    build = partial(_convnext, depths, width, stochastic_depth=rate)
    reference = f"torchvision.models.convnext_{size}"
    return imagenet(build, CONVNEXT, params, reference, "torchvision")


def _pool(blocks: int, widths: Widths, params: int, *, rate: float, layer_scale: float) -> Entry:
    return imagenet(
        partial(_poolformer, blocks, widths, stochastic_depth=rate, layer_scale=layer_scale),
        METAFORMER,
        params,
        "sail-sg/poolformer, transformers PoolFormerForImageClassification; "
        "timm's differs in its head",
        "timm",
        "transformers",
    )


ENTRIES: dict[str, Entry] = {
    # Stochastic depth as in the trainings on ImageNet-1K.
    "convnext_tiny": _next("tiny", (3, 3, 9, 3), 96, 28_589_128, 0.1),
    "convnext_small": _next("small", (3, 3, 27, 3), 96, 50_223_688, 0.4),
    "convnext_base": _next("base", (3, 3, 27, 3), 128, 88_591_464, 0.5),
    "convnext_large": _next("large", (3, 3, 27, 3), 192, 197_767_336, 0.5),
    "poolformer_s12": _pool(12, SMALL, 11_915_176, rate=0.1, layer_scale=1e-5),
    "poolformer_s24": _pool(24, SMALL, 21_388_968, rate=0.1, layer_scale=1e-5),
    "poolformer_s36": _pool(36, SMALL, 30_862_760, rate=0.2, layer_scale=1e-6),
    "poolformer_m36": _pool(36, MEDIUM, 56_172_520, rate=0.3, layer_scale=1e-6),
    "poolformer_m48": _pool(48, MEDIUM, 73_473_448, rate=0.4, layer_scale=1e-6),
    "metaformer_s12": imagenet(
        partial(_metaformer, 12, SMALL),
        METAFORMER,
        11_915_176,
        "the paper, figure 2 and the ablation of token mixers",
    ),
}
