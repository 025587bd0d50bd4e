"""The table of all models: how each is made, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import nn

from manako.models.backbones.densenet import BottleneckLayer, DenseNet, Layer, PlainLayer
from manako.models.backbones.densenet_cifar import CifarDenseNet
from manako.models.backbones.lenet5 import LeNet5
from manako.models.backbones.lenet5_paper import LeNet5Paper
from manako.models.backbones.preact_resnet_cifar import (
    Basic,
    Bottleneck,
    CifarPreActResNet,
    Unit,
)
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
from manako.models.backbones.resnetv2 import ResNetV2
from manako.models.backbones.swin import (
    SwinTransformer,
    swin_b,
    swin_classifier,
    swin_s,
    swin_t,
    swin_t_32,
)
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


def _densenet(
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    growth_rate: int = 32,
    compression: float = 0.5,
    dropout: float = 0.0,
) -> Classifier:
    backbone = DenseNet(
        depth, in_channels, growth_rate=growth_rate, compression=compression, dropout=dropout
    )
    return _zero_bias(Classifier(backbone, num_classes))


def _densenet_cifar(
    layer: Layer,
    depth: int,
    growth_rate: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    compression: float = 1.0,
    dropout: float = 0.0,
) -> Classifier:
    chosen = {"compression": compression, "dropout": dropout}
    backbone = CifarDenseNet(layer, depth, growth_rate, in_channels, **chosen)
    return _zero_bias(Classifier(backbone, num_classes))


def _preact_cifar(unit: Unit, depth: int, /, *, num_classes: int, in_channels: int) -> Classifier:
    backbone = CifarPreActResNet(unit, depth, in_channels)
    return _zero_bias(Classifier(backbone, num_classes))


def _zero_bias(classifier: Classifier) -> Classifier:
    """The same with a head whose biases start at zero, as in the authors' codes."""
    nn.init.zeros_(classifier.head.bias)
    return classifier


def _resnetv2(
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    stochastic_depth: float = 0.0,
    dropout: float = 0.0,
) -> Classifier:
    backbone = ResNetV2(depth, in_channels, stochastic_depth=stochastic_depth)
    classifier = Classifier(backbone, num_classes, dropout=dropout)
    nn.init.normal_(classifier.head.weight, std=0.01)
    return _zero_bias(classifier)


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
DENSENET = Paper("Densely Connected Convolutional Networks", 2017, "1608.06993")
IDENTITY_MAPPINGS = Paper("Identity Mappings in Deep Residual Networks", 2016, "1603.05027")
SWIN = Paper(
    "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, "2103.14030"
)
QUICK32 = Paper("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, "2404.00498")
SSD_PAPER = Paper("SSD: Single Shot MultiBox Detector", 2016, "1512.02325")
UNET = Paper("U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015, "1505.04597")
TORCHVISION = ("torchvision",)


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


def _dense(depth: int, params: int, *, growth_rate: int = 32) -> Entry:
    return Entry(
        build=partial(_densenet, depth, growth_rate=growth_rate),
        task="classification",
        paper=DENSENET,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=f"torchvision.models.densenet{depth}",
        layouts=("torchvision", "timm"),
    )


def _dense_cifar10(
    layer: Layer, depth: int, growth_rate: int, params: int, *, compression: float = 1.0
) -> Entry:
    return Entry(
        build=partial(_densenet_cifar, layer, depth, growth_rate, compression=compression),
        task="classification",
        paper=DENSENET,
        params=params,
        num_classes=10,
        size_hw=(32, 32),
        reference=f"the paper, and liuzhuang13/DenseNet L={depth}, k={growth_rate}",
    )


_dense_bc_cifar10 = partial(_dense_cifar10, BottleneckLayer, compression=0.5)


def _preact_cifar10(unit: Unit, depth: int, params: int, reference: str) -> Entry:
    return Entry(
        build=partial(_preact_cifar, unit, depth),
        task="classification",
        paper=IDENTITY_MAPPINGS,
        params=params,
        num_classes=10,
        size_hw=(32, 32),
        reference=reference,
    )


def _preact(depth: int, params: int) -> Entry:
    return Entry(
        build=partial(_resnetv2, depth),
        task="classification",
        paper=IDENTITY_MAPPINGS,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=f"timm resnetv2_{depth}",
        layouts=("timm",),
    )


def _swin_imagenet(
    backbone: Callable[..., SwinTransformer], params: int, *, stochastic_depth: float
) -> Entry:
    return Entry(
        build=partial(_swin, backbone, stochastic_depth=stochastic_depth),
        task="classification",
        paper=SWIN,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=f"torchvision.models.{backbone.__name__}",
        layouts=("torchvision", "timm", "transformers"),
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
    "densenet121": _dense(121, 7_978_856),
    "densenet161": _dense(161, 28_681_000, growth_rate=48),
    "densenet169": _dense(169, 14_149_480),
    "densenet201": _dense(201, 20_013_928),
    "densenet_40_12": _dense_cifar10(PlainLayer, 40, 12, 1_019_722),
    "densenet_100_12": _dense_cifar10(PlainLayer, 100, 12, 6_979_642),
    "densenet_100_24": _dense_cifar10(PlainLayer, 100, 24, 27_249_082),
    "densenet_bc_40_12": _dense_bc_cifar10(40, 12, 176_122),
    "densenet_bc_100_12": _dense_bc_cifar10(100, 12, 769_162),
    "densenet_bc_190_40": _dense_bc_cifar10(190, 40, 25_624_430),
    "densenet_bc_250_24": _dense_bc_cifar10(250, 24, 15_324_406),
    "preact_resnet110": _preact_cifar10(
        Basic, 110, 1_727_962, "facebookarchive/fb.resnet.torch preresnet"
    ),
    "preact_resnet164": _preact_cifar10(
        Bottleneck, 164, 1_703_258, "KaimingHe/resnet-1k-layers resnet-pre-act"
    ),
    "preact_resnet1001": _preact_cifar10(
        Bottleneck, 1001, 10_327_706, "KaimingHe/resnet-1k-layers resnet-pre-act"
    ),
    "resnetv2_18": _preact(18, 11_687_720),
    "resnetv2_34": _preact(34, 21_795_880),
    "resnetv2_50": _preact(50, 25_549_352),
    "resnetv2_101": _preact(101, 44_541_480),
    "resnetv2_152": _preact(152, 60_185_128),
    "swin_t": _swin_imagenet(swin_t, 28_288_354, stochastic_depth=0.2),
    "swin_s": _swin_imagenet(swin_s, 49_606_258, stochastic_depth=0.3),
    "swin_b": _swin_imagenet(swin_b, 87_768_224, stochastic_depth=0.5),
    "swin_t_32": Entry(
        build=partial(_swin, swin_t_32, window=4, patch=2, stochastic_depth=0.1),
        task="classification",
        paper=SWIN,
        params=7_048_612,
        num_classes=10,
        size_hw=(32, 32),
        reference="own form after aanna0701/SPT_LSA_ViT (arXiv:2112.13492)",
    ),
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
