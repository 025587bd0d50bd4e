"""The table of all models: how each is made, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import nn

from manako.models.backbones.lenet5 import LeNet5
from manako.models.backbones.lenet5_paper import LeNet5Paper
from manako.models.backbones.quick32 import Quick32, Quick32Features
from manako.models.backbones.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    wide_resnet50_2,
    wide_resnet101_2,
)
from manako.models.backbones.resnet_cifar import CifarResNet
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
from manako.models.backbones.wide_resnet_cifar import WideResNet
from manako.models.classifier import Classifier
from manako.models.protocols import Backbone
from manako.models.ssd import SSD
from manako.models.unet import unet, unet_bn

Task = Literal["classification", "detection", "segmentation"]
TASKS: tuple[Task, ...] = ("classification", "detection", "segmentation")


@dataclass(frozen=True)
class Paper:
    """Where a model comes from; `arxiv` is the number, empty for papers that are not there."""

    title: str
    year: int
    arxiv: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    `build(num_classes=, in_channels=, **options)` makes the network; its other keyword-only
    parameters are the options. `params` counts all weights, frozen ones included, of the network
    with `num_classes` and `in_channels`; `size_hw` in pixels is what it is made for; `reference`
    is the public implementation or text that it follows; `layouts` are the libraries whose weight
    files fit.
    """

    build: Callable[..., nn.Module]
    task: Task
    paper: Paper
    params: int
    num_classes: int
    size_hw: tuple[int, int]
    reference: str
    in_channels: int = 3
    layouts: tuple[str, ...] = ()


def _classifier(
    backbone: Callable[[int], Backbone], /, *, num_classes: int, in_channels: int
) -> Classifier:
    return Classifier(backbone(in_channels), num_classes)


def _cifar(depth: int, /, *, num_classes: int, in_channels: int) -> Classifier:
    return Classifier(CifarResNet(depth, in_channels), num_classes)


def _wrn(
    depth: int, widening: int, /, *, num_classes: int, in_channels: int, dropout: float = 0.0
) -> Classifier:
    backbone = WideResNet(depth, widening, in_channels, dropout=dropout)
    return Classifier(backbone, num_classes)


def _quick32(
    *,
    num_classes: int,
    in_channels: int,
    width: int = 48,
    bn_momentum: float = 0.4,
    bn_eps: float = 1e-5,
) -> Quick32:
    features = Quick32Features(in_channels, width=width, bn_momentum=bn_momentum, bn_eps=bn_eps)
    return Quick32(features, num_classes)


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
) -> ViTClassifier:
    encoder = Encoder(shape, norm=norm, dropout=dropout, stochastic_depth=stochastic_depth, eps=eps)
    stem = ResNetStem(stem_depths, in_channels) if stem_depths else None
    class_token = pool == "class"
    backbone = ViT(encoder, in_channels, size=size, patch=patch, class_token=class_token, stem=stem)
    return ViTClassifier(backbone, num_classes)


def _ssd(
    backbone: Callable[[int], Backbone],
    /,
    *,
    num_classes: int,
    in_channels: int,
    size_factor: float = 3.0,
    wide_ratios: bool = False,
) -> SSD:
    return SSD(backbone(in_channels), num_classes, size_factor=size_factor, wide_ratios=wide_ratios)


LENET = Paper("Gradient-Based Learning Applied to Document Recognition", 1998)
RESNET = Paper("Deep Residual Learning for Image Recognition", 2016, "1512.03385")
WIDE_RESNET = Paper("Wide Residual Networks", 2016, "1605.07146")
QUICK32 = Paper("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, "2404.00498")
VIT = Paper(
    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", 2021, "2010.11929"
)
DEIT = Paper(
    "Training data-efficient image transformers & distillation through attention",
    2021,
    "2012.12877",
)
SSD_PAPER = Paper("SSD: Single Shot MultiBox Detector", 2016, "1512.02325")
UNET = Paper("U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015, "1505.04597")
TORCHVISION = ("torchvision",)
TIMM = ("timm",)
TIMM_AND_TRANSFORMERS = ("timm", "transformers")


def _imagenet(backbone: Callable[[int], Backbone], params: int, *, paper: Paper = RESNET) -> Entry:
    return Entry(
        build=partial(_classifier, backbone),
        task="classification",
        paper=paper,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=f"torchvision.models.{backbone.__name__}",
        layouts=TORCHVISION,
    )


def _cifar10(depth: int, params: int) -> Entry:
    return Entry(
        build=partial(_cifar, depth),
        task="classification",
        paper=RESNET,
        params=params,
        num_classes=10,
        size_hw=(32, 32),
        reference=f"akamaster/pytorch_resnet_cifar10 resnet{depth}",
    )


def _wide_cifar10(depth: int, widening: int, params: int) -> Entry:
    return Entry(
        build=partial(_wrn, depth, widening),
        task="classification",
        paper=WIDE_RESNET,
        params=params,
        num_classes=10,
        size_hw=(32, 32),
        reference=f"szagoruyko/wide-residual-networks WRN-{depth}-{widening}",
    )


def _vit_imagenet(
    shape: Shape,
    params: int,
    reference: str,
    *,
    patch: int,
    paper: Paper = VIT,
    layouts: tuple[str, ...] = TIMM_AND_TRANSFORMERS,
) -> Entry:
    return Entry(
        build=partial(_vit, shape, patch=patch),
        task="classification",
        paper=paper,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=reference,
        layouts=layouts,
    )


def _vit_torchvision(shape: Shape, params: int, name: str, *, patch: int) -> Entry:
    return _vit_imagenet(
        shape,
        params,
        f"torchvision.models.{name}",
        patch=patch,
        layouts=TORCHVISION + TIMM_AND_TRANSFORMERS,
    )


def _vit_hybrid(
    shape: Shape, stem_depths: Sequence[int], params: int, name: str, *, size: int = 224
) -> Entry:
    return Entry(
        build=partial(_vit, shape, stem_depths, patch=1, size=size),
        task="classification",
        paper=VIT,
        params=params,
        num_classes=1000,
        size_hw=(size, size),
        reference=f"timm {name}",
        layouts=TIMM,
    )


def _voc(backbone: Callable[[int], Backbone], params: int) -> Entry:
    return Entry(
        build=partial(_ssd, backbone),
        task="detection",
        paper=SSD_PAPER,
        params=params,
        num_classes=20,
        size_hw=(300, 300),
        reference=f"own form on torchvision.models.{backbone.__name__}",
        layouts=TORCHVISION,
    )


MODELS: dict[str, Entry] = {
    "lenet5": Entry(
        build=LeNet5,
        task="classification",
        paper=LENET,
        params=61_706,
        num_classes=10,
        in_channels=1,
        size_hw=(28, 28),
        reference="layer list of d2l.ai, section 7.6",
    ),
    "lenet5_paper": Entry(
        build=LeNet5Paper,
        task="classification",
        paper=LENET,
        params=60_000,
        num_classes=10,
        in_channels=1,
        size_hw=(32, 32),
        reference="the paper, section II-B and appendix A",
    ),
    "quick32": Entry(
        build=_quick32,
        task="classification",
        paper=QUICK32,
        params=1_113_312,
        num_classes=10,
        size_hw=(32, 32),
        reference="own form after KellerJordan/cifar10-airbench",
    ),
    "resnet18": _imagenet(resnet18, 11_689_512),
    "resnet34": _imagenet(resnet34, 21_797_672),
    "resnet50": _imagenet(resnet50, 25_557_032),
    "resnet101": _imagenet(resnet101, 44_549_160),
    "resnet152": _imagenet(resnet152, 60_192_808),
    "resnet20": _cifar10(20, 269_722),
    "resnet32": _cifar10(32, 464_154),
    "resnet44": _cifar10(44, 658_586),
    "resnet56": _cifar10(56, 853_018),
    "resnet110": _cifar10(110, 1_727_962),
    # Those of the paper's tables 4 to 6.
    "wrn_16_4": _wide_cifar10(16, 4, 2_748_890),
    "wrn_16_8": _wide_cifar10(16, 8, 10_961_370),
    "wrn_16_10": _wide_cifar10(16, 10, 17_116_634),
    "wrn_22_8": _wide_cifar10(22, 8, 17_158_106),
    "wrn_22_10": _wide_cifar10(22, 10, 26_797_914),
    "wrn_28_10": _wide_cifar10(28, 10, 36_479_194),
    "wrn_28_12": _wide_cifar10(28, 12, 52_517_850),
    "wrn_40_1": _wide_cifar10(40, 1, 563_930),
    "wrn_40_2": _wide_cifar10(40, 2, 2_243_546),
    "wrn_40_4": _wide_cifar10(40, 4, 8_949_210),
    "wrn_40_8": _wide_cifar10(40, 8, 35_748_314),
    "wrn_52_1": _wide_cifar10(52, 1, 758_362),
    "wide_resnet50_2": _imagenet(wide_resnet50_2, 68_883_240, paper=WIDE_RESNET),
    "wide_resnet101_2": _imagenet(wide_resnet101_2, 126_886_696, paper=WIDE_RESNET),
    "vit_b_16": _vit_torchvision(BASE, 86_567_656, "vit_b_16", patch=16),
    "vit_b_32": _vit_torchvision(BASE, 88_224_232, "vit_b_32", patch=32),
    "vit_l_16": _vit_torchvision(LARGE, 304_326_632, "vit_l_16", patch=16),
    "vit_l_32": _vit_torchvision(LARGE, 306_535_400, "vit_l_32", patch=32),
    "vit_h_14": _vit_torchvision(HUGE, 632_045_800, "vit_h_14", patch=14),
    "vit_tiny_patch16_224": _vit_imagenet(
        TINY, 5_717_416, "timm vit_tiny_patch16_224", patch=16, paper=DEIT
    ),
    "vit_small_patch16_224": _vit_imagenet(
        SMALL, 22_050_664, "timm vit_small_patch16_224", patch=16, paper=DEIT
    ),
    "vit_small_patch32_224": _vit_imagenet(
        SMALL, 22_878_952, "timm vit_small_patch32_224", patch=32, paper=DEIT
    ),
    "vit_tiny_patch4_32": Entry(
        build=partial(_vit, TINY, patch=4, size=32),
        task="classification",
        paper=DEIT,
        params=5_362_762,
        num_classes=10,
        size_hw=(32, 32),
        reference="own form: that of vit_tiny_patch16_224 for small pictures",
    ),
    "vit_small_r26_s32_224": _vit_hybrid(SMALL, (2, 2, 2, 2), 36_431_912, "vit_small_r26_s32_224"),
    "vit_base_r50_s16_224": _vit_hybrid(BASE, (3, 4, 9), 98_659_112, "vit_base_r50_s16_224"),
    "vit_base_r50_s16_384": _vit_hybrid(
        BASE, (3, 4, 9), 98_950_952, "vit_base_r50_s16_384", size=384
    ),
    "vit_large_r50_s32_224": _vit_hybrid(LARGE, (3, 4, 6, 3), 328_994_856, "vit_large_r50_s32_224"),
    "ssd_resnet18": _voc(resnet18, 12_574_928),
    "ssd_resnet34": _voc(resnet34, 22_683_088),
    "ssd_resnet50": _voc(resnet50, 27_522_256),
    "ssd_resnet101": _voc(resnet101, 46_514_384),
    "ssd_resnet152": _voc(resnet152, 62_158_032),
    "unet": Entry(
        build=unet,
        task="segmentation",
        paper=UNET,
        params=31_030_658,
        num_classes=2,
        in_channels=1,
        size_hw=(512, 512),
        reference="layer list of the paper, figure 1, padded",
    ),
    "unet_bn": Entry(
        build=unet_bn,
        task="segmentation",
        paper=UNET,
        params=3_791_754,
        num_classes=10,
        size_hw=(512, 512),
        reference="sg-nm/image-recognition chap06/unet.py",
    ),
}
