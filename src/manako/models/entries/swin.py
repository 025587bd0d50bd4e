"""Swin Transformers."""

from __future__ import annotations

from functools import partial

from manako.models.backbones.swin import HEAD_CHANNELS, VARIANTS, SwinTransformer, swin_classifier
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, cifar10, imagenet
from manako.models.layers.scaling import deepened, widened

SWIN = Paper(
    "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, "2103.14030"
)


def _swin(
    name: str,
    /,
    *,
    num_classes: int,
    in_channels: int,
    window: int,
    patch: int,
    dropout: float = 0.0,
    stochastic_depth: float,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    variant = VARIANTS[name]
    backbone = SwinTransformer(
        widened(variant.width, width_factor, HEAD_CHANNELS),
        deepened(variant.depths, depth_factor),
        in_channels,
        window=window,
        patch=patch,
        mlp_ratio=variant.mlp_ratio,
        stochastic_depth=stochastic_depth,
    )
    return swin_classifier(backbone, num_classes, dropout=dropout)


def _build(name: str) -> partial[Classifier]:
    variant = VARIANTS[name]
    sides = {"window": variant.window, "patch": variant.patch}
    return partial(_swin, name, **sides, stochastic_depth=variant.stochastic_depth)


def _imagenet(name: str, params: int) -> Entry:
    reference = f"torchvision.models.{name}"
    return imagenet(_build(name), SWIN, params, reference, "torchvision", "timm", "transformers")


ENTRIES: dict[str, Entry] = {
    "swin_t": _imagenet("swin_t", 28_288_354),
    "swin_s": _imagenet("swin_s", 49_606_258),
    "swin_b": _imagenet("swin_b", 87_768_224),
    "swin_t_32": cifar10(
        _build("swin_t_32"),
        SWIN,
        7_048_612,
        "own form after aanna0701/SPT_LSA_ViT (arXiv:2112.13492)",
    ),
}
