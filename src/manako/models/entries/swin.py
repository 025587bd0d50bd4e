"""Swin Transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from manako.models.backbones.swin import (
    SwinTransformer,
    swin_b,
    swin_classifier,
    swin_s,
    swin_t,
    swin_t_32,
)
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, cifar10, imagenet

SWIN = Paper(
    "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, "2103.14030"
)


def _swin(
    backbone: Callable[..., SwinTransformer],
    /,
    *,
    num_classes: int,
    in_channels: int,
    window: int = 7,
    patch: int = 4,
    dropout: float = 0.0,
    stochastic_depth: float,
) -> Classifier:
    made = backbone(in_channels, window=window, patch=patch, stochastic_depth=stochastic_depth)
    return swin_classifier(made, num_classes, dropout=dropout)


def _imagenet(backbone: Callable[..., SwinTransformer], params: int, rate: float) -> Entry:
    build = partial(_swin, backbone, stochastic_depth=rate)
    reference = f"torchvision.models.{backbone.__name__}"
    return imagenet(build, SWIN, params, reference, "torchvision", "timm", "transformers")


ENTRIES: dict[str, Entry] = {
    "swin_t": _imagenet(swin_t, 28_288_354, 0.2),
    "swin_s": _imagenet(swin_s, 49_606_258, 0.3),
    "swin_b": _imagenet(swin_b, 87_768_224, 0.5),
    "swin_t_32": cifar10(
        partial(_swin, swin_t_32, window=4, patch=2, stochastic_depth=0.1),
        SWIN,
        7_048_612,
        "own form after aanna0701/SPT_LSA_ViT (arXiv:2112.13492)",
    ),
}
