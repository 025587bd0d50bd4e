"""The networks of other libraries that ours must equal, by our names.

For each name and library: how their network is built, for which pictures, and where its feature
maps come out. MANAKO_PARITY=all compares every name; without it one small network of each family.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torchvision
from timm.models.efficientnet import _gen_mobilenet_v1  # the public names have two widths only
from torch import Tensor, nn
from transformers import (
    PoolFormerConfig,
    PoolFormerForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from manako.models.zoo import MODELS

ALL = os.environ.get("MANAKO_PARITY") == "all"
SMALL = (  # one or two of each family; torchvision's ViTs and hybrids have small forms in test_vit
    "alexnet", "vgg11", "vgg13_bn", "googlenet", "resnet18", "resnetv2_18", "densenet121",
    "mobilenetv1_025", "efficientnet_b0", "convnext_tiny", "poolformer_s12",
    "vit_tiny_patch16_224", "swin_t",
)  # fmt: skip
GREY = ("alexnet", "googlenet", "resnet18", "resnetv2_18", "densenet121", "mobilenetv1_025",
        "efficientnet_b0", "convnext_tiny", "poolformer_s12", "vit_tiny_patch16_224",
        "swin_t")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One of our names and a library that has the network, too."""

    name: str
    library: str
    classes: int = 11
    channels: int = 3

    def __str__(self) -> str:
        return f"{self.name}-{self.library}-{self.classes}-{self.channels}"


@dataclass(frozen=True)
class Reference:
    """How `Case.library` builds the network, and for what.

    `size_hw` are mostly odd sizes, so that every stride rounds. `options` are ours. `maps` and
    `to_ours` are as in `networks.Pair`. Networks with tables among their buffers are built with
    values.
    """

    build: Callable[[], nn.Module]
    size_hw: tuple[int, int]
    maps: Mapping[int, str] = field(default_factory=dict)
    to_ours: Callable[[Tensor], Tensor] = lambda output: output
    options: Mapping[str, Any] = field(default_factory=dict)
    with_values: bool = False


def cases() -> list[Case]:
    """All that are compared in this run."""
    named = [
        Case(name, library)
        for name, entry in MODELS.items()
        if entry.task == "classification" and (ALL or name in SMALL)
        for library in entry.layouts
    ]
    others = [
        Case(name, library, 7, 1)
        for name in GREY
        for library in MODELS[name].layouts[: None if ALL else 1]
    ]
    return named + others


def reference(case: Case) -> Reference:
    """The network of the library."""
    for pattern, found in FAMILIES[case.library].items():
        if re.fullmatch(pattern, case.name):
            return found(case)
    raise LookupError(f"nobody has said how {case.library} builds {case.name}")


def of_torchvision(
    size_hw: tuple[int, int], maps: Mapping[int, str], **more: Any
) -> Callable[[Case], Reference]:
    """A family that torchvision builds by our names, for three channels."""

    def found(case: Case) -> Reference:
        extra = {"init_weights": False} if case.name == "googlenet" else {}

        def build() -> nn.Module:
            network = torchvision.models.get_model(case.name, num_classes=case.classes, **extra)
            return for_channels(network, case.channels)

        return Reference(build, size_hw, maps, **more)

    return found


def for_channels(network: nn.Module, channels: int) -> nn.Module:
    """The same network, its first convolution for pictures of so many channels."""
    name, first = next(
        (name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d)
    )
    if first.in_channels == channels:
        return network
    parent, _, attribute = name.rpartition(".")
    fitted = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,
        first.stride,
        first.padding,
        bias=first.bias is not None,
    )
    setattr(network.get_submodule(parent), attribute, fitted)
    return network


HIDDEN = 4096 if ALL else 32  # a width that changes nothing else


def with_hidden(
    size_hw: tuple[int, int], maps: Mapping[int, str], places: tuple[int, int, int]
) -> Callable[[Case], Reference]:
    """A family with hidden layers, which are the modules of these `places` in its classifier."""

    def found(case: Case) -> Reference:
        def build() -> nn.Module:
            network = torchvision.models.get_model(case.name, num_classes=case.classes)
            first, second, last = places
            bins = network.classifier[first].in_features
            network.classifier[first] = nn.Linear(bins, HIDDEN)
            network.classifier[second] = nn.Linear(HIDDEN, HIDDEN)
            network.classifier[last] = nn.Linear(HIDDEN, case.classes)
            return for_channels(network, case.channels)

        return Reference(build, size_hw, maps, options={"hidden": HIDDEN})

    return found


def vgg_of_torchvision(case: Case) -> Reference:
    with torch.device("meta"):
        layers = list(torchvision.models.get_model(case.name).features)
    pools = [place for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    maps = {2**stage: f"features.{place - 1}" for stage, place in enumerate(pools)}
    # A last map of 1 x 2 cells for the 7 x 7 bins.
    return with_hidden((37, 67), maps | {32: f"features.{pools[-1]}"}, (0, 3, 6))(case)


def vit_of_torchvision(case: Case) -> Reference:
    side = 2 * MODELS[case.name].build.keywords["patch"]

    def build() -> nn.Module:
        network = torchvision.models.get_model(case.name, num_classes=case.classes, image_size=side)
        return for_channels(network, case.channels)

    maps = {side // 2: "encoder.ln"}
    return Reference(build, (side, side), maps, on_grid, {"size": side})


def on_grid(tokens: Tensor) -> Tensor:
    """[B, N, D] -> [B, D, 2, 2], without the class token; a map stays as it is."""
    return tokens if tokens.ndim == 4 else tokens[:, -4:].transpose(1, 2).unflatten(2, (2, 2))


def channels_first(tokens: Tensor) -> Tensor:
    return tokens.permute(0, 3, 1, 2)


def of_timm(
    size_hw: tuple[int, int], maps: Mapping[int, str], **more: Any
) -> Callable[[Case], Reference]:
    """A family that timm builds by our names."""

    def found(case: Case) -> Reference:
        def build() -> nn.Module:
            return timm.create_model(case.name, num_classes=case.classes, in_chans=case.channels)

        return Reference(build, size_hw, maps, **more)

    return found


def mobilenet_of_timm(case: Case) -> Reference:
    width = MODELS[case.name].build.keywords["width"]

    def build() -> nn.Module:
        return _gen_mobilenet_v1(
            "mobilenetv1_100", width, num_classes=case.classes, in_chans=case.channels
        )

    # 34 is even, where padding shows.
    return Reference(build, (34, 41), {2 ** (index + 1): f"blocks.{index}" for index in range(5)})


class NormThenMean(nn.GroupNorm):
    """The end of the authors' PoolFormer, under the name of timm's norm."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean((2, 3))


def poolformer_of_timm(case: Case) -> Reference:
    """timm's body with the authors' head; timm takes the mean before the last norm."""

    def build() -> nn.Module:
        model = timm.create_model(case.name, num_classes=case.classes, in_chans=case.channels)
        model.head.global_pool = nn.Identity()
        model.head.norm = NormThenMean(1, model.num_features)
        return model

    return Reference(build, (33, 45), {4 * 2**stage: f"stages.{stage}" for stage in range(4)})


TIMMS_VITS = {
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
    "vit_l_32": "vit_large_patch32_224",
    "vit_h_14": "vit_huge_patch14_224",
}
TIMMS_SWINS = {"swin_t": "swin_tiny", "swin_s": "swin_small", "swin_b": "swin_base"}


def vit_of_timm(case: Case) -> Reference:
    patch = MODELS[case.name].build.keywords["patch"]
    side = 64 if patch == 1 else 2 * patch  # 1: on the maps of a residual network

    def build() -> nn.Module:
        name = TIMMS_VITS.get(case.name, case.name)
        return timm.create_model(
            name, num_classes=case.classes, in_chans=case.channels, img_size=side
        )

    maps = {} if patch == 1 else {side // 2: "norm"}
    return Reference(build, (side, side), maps, on_grid, {"size": side})


def swin_of_timm(case: Case) -> Reference:
    def build() -> nn.Module:
        name = f"{TIMMS_SWINS[case.name]}_patch4_window7_224"
        return timm.create_model(name, num_classes=case.classes, in_chans=case.channels)

    maps = {4 * 2**stage: f"layers.{stage}" for stage in range(4)}
    return Reference(build, (224, 224), maps, channels_first, with_values=True)


def vit_of_transformers(case: Case) -> Reference:
    patch = MODELS[case.name].build.keywords["patch"]
    with torch.device("meta"):
        encoder = MODELS[case.name].build(num_classes=1, in_channels=3).backbone.encoder
    config = ViTConfig(
        hidden_size=encoder.width,
        intermediate_size=4 * encoder.width,
        num_hidden_layers=len(encoder.blocks),
        num_attention_heads=encoder.blocks[0].attention.heads,
        patch_size=patch,
        image_size=2 * patch,
        num_channels=case.channels,
        num_labels=case.classes,
    )
    return Reference(
        lambda: ViTForImageClassification(config),
        (2 * patch, 2 * patch),
        {patch: "vit.layernorm"},
        on_grid,
        {"size": 2 * patch, "eps": config.layer_norm_eps},
    )


SWINS = {
    "swin_t": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
    "swin_s": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24]},
    "swin_b": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]},
}


def swin_of_transformers(case: Case) -> Reference:
    config = SwinConfig(
        image_size=224,
        num_channels=case.channels,
        num_labels=case.classes,
        drop_path_rate=0.0,
        **SWINS[case.name],
    )
    return Reference(lambda: SwinForImageClassification(config), (224, 224), with_values=True)


DEPTHS = {"12": (2, 2, 6, 2), "24": (4, 4, 12, 4), "36": (6, 6, 18, 6), "48": (8, 8, 24, 8)}
WIDTHS = {"s": (64, 128, 320, 512), "m": (96, 192, 384, 768)}


def poolformer_of_transformers(case: Case) -> Reference:
    size = case.name.removeprefix("poolformer_")
    config = PoolFormerConfig(
        depths=DEPTHS[size[1:]],
        hidden_sizes=WIDTHS[size[0]],
        num_channels=case.channels,
        num_labels=case.classes,
    )
    return Reference(lambda: PoolFormerForImageClassification(config), (33, 45))


DENSE = {4: "features.denseblock1", 8: "features.denseblock2", 16: "features.denseblock3"}
FAMILIES: dict[str, dict[str, Callable[[Case], Reference]]] = {
    "torchvision": {
        # A last map of 2 x 3 cells for the 6 x 6 bins.
        "alexnet": with_hidden(
            (97, 131),
            {4: "features.1", 8: "features.4", 16: "features.11", 32: "features.12"},
            (1, 4, 6),
        ),
        "vgg.*": vgg_of_torchvision,
        "googlenet": of_torchvision(
            (75, 117),
            {2: "conv1", 4: "conv3", 8: "inception3b", 16: "inception4e", 32: "inception5b"},
        ),
        ".*resnet.*": of_torchvision(
            (33, 41), {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}
        ),
        # Its deepest map is rectified only in the classifier: the logits show it.
        "densenet.*": of_torchvision((37, 61), DENSE),
        "efficientnet.*": of_torchvision(
            (34, 41),
            {2: "features.1", 4: "features.2", 8: "features.3", 16: "features.5", 32: "features.8"},
        ),
        "convnext.*": of_torchvision(
            (71, 46), {4: "features.1", 8: "features.3", 16: "features.5", 32: "features.7"}
        ),
        "vit.*": vit_of_torchvision,
        # Windows of 7 on maps of 18 x 23, 9 x 11, 5 x 6 and 3 x 3: padded both ways, and shifted.
        "swin.*": of_torchvision(
            (75, 93),
            {4 * 2**stage: f"features.{2 * stage + 1}" for stage in range(4)},
            to_ours=channels_first,
            with_values=True,
        ),
    },
    "timm": {
        "densenet.*": of_timm((37, 61), DENSE | {32: "features.norm5"}),
        "resnetv2.*": of_timm((33, 41), {4: "stages.0", 8: "stages.1", 16: "stages.2", 32: "norm"}),
        "mobilenet.*": mobilenet_of_timm,
        "poolformer.*": poolformer_of_timm,
        "vit.*": vit_of_timm,
        "swin.*": swin_of_timm,
    },
    "transformers": {
        "poolformer.*": poolformer_of_transformers,
        "vit.*": vit_of_transformers,
        "swin.*": swin_of_transformers,
    },
}
