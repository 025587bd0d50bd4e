"""Residual networks: as first written, wide, and with the norms before the convolutions."""

from __future__ import annotations

from functools import partial

from torch import nn

from manako.models.backbones.preact_resnet_cifar import Basic, Bottleneck, CifarPreActResNet, Unit
from manako.models.backbones.resnet import resnet
from manako.models.backbones.resnet_cifar import CifarResNet
from manako.models.backbones.resnetv2 import ResNetV2
from manako.models.backbones.wide_resnet_cifar import WideResNet
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, cifar10, imagenet
from manako.models.layers.scaling import deepened, widened

RESNET = Paper("Deep Residual Learning for Image Recognition", 2016, "1512.03385")
WIDE_RESNET = Paper("Wide Residual Networks", 2016, "1605.07146")
IDENTITY_MAPPINGS = Paper("Identity Mappings in Deep Residual Networks", 2016, "1603.05027")


def _resnet(
    name: str,
    /,
    *,
    num_classes: int,
    in_channels: int,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    backbone = resnet(name, in_channels, width_factor=width_factor, depth_factor=depth_factor)
    return Classifier(backbone, num_classes)


def _cifar(
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    (blocks,) = deepened([(depth - 2) // 6], depth_factor)
    width = widened(16, width_factor, 4)
    return Classifier(CifarResNet(6 * blocks + 2, in_channels, width=width), num_classes)


def _wrn(
    depth: int,
    widening: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    dropout: float = 0.0,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    (blocks,) = deepened([(depth - 4) // 6], depth_factor)
    wide = widened(16 * widening, width_factor) / 16
    backbone = WideResNet(6 * blocks + 4, wide, in_channels, dropout=dropout)
    return Classifier(backbone, num_classes)


def _preact_cifar(
    unit: Unit,
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    in_stage = 3 * unit.convolutions
    (units,) = deepened([(depth - 2) // in_stage], depth_factor)
    width = widened(16, width_factor, 4)
    backbone = CifarPreActResNet(unit, in_stage * units + 2, in_channels, width=width)
    classifier = Classifier(backbone, num_classes)
    nn.init.zeros_(classifier.head.bias)  # as in the authors' code
    return classifier


def _resnetv2(
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    stochastic_depth: float = 0.0,
    dropout: float = 0.0,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    backbone = ResNetV2(
        depth,
        in_channels,
        stochastic_depth=stochastic_depth,
        width_factor=width_factor,
        depth_factor=depth_factor,
    )
    classifier = Classifier(backbone, num_classes, dropout=dropout)
    nn.init.normal_(classifier.head.weight, std=0.01)
    nn.init.zeros_(classifier.head.bias)
    return classifier


def _imagenet(name: str, params: int, *, paper: Paper = RESNET) -> Entry:
    reference = f"torchvision.models.{name}"
    return imagenet(partial(_resnet, name), paper, params, reference, "torchvision")


def _cifar10(depth: int, params: int) -> Entry:
    reference = f"akamaster/pytorch_resnet_cifar10 resnet{depth}"
    return cifar10(partial(_cifar, depth), RESNET, params, reference)


def _wide_cifar10(depth: int, widening: int, params: int) -> Entry:
    reference = f"szagoruyko/wide-residual-networks WRN-{depth}-{widening}"
    return cifar10(partial(_wrn, depth, widening), WIDE_RESNET, params, reference)


def _preact(unit: Unit, depth: int, params: int, reference: str) -> Entry:
    return cifar10(partial(_preact_cifar, unit, depth), IDENTITY_MAPPINGS, params, reference)


def _preact_imagenet(depth: int, params: int) -> Entry:
    build = partial(_resnetv2, depth)
    return imagenet(build, IDENTITY_MAPPINGS, params, f"timm resnetv2_{depth}", "timm")


ENTRIES: dict[str, Entry] = {
    "resnet18": _imagenet("resnet18", 11_689_512),
    "resnet34": _imagenet("resnet34", 21_797_672),
    "resnet50": _imagenet("resnet50", 25_557_032),
    "resnet101": _imagenet("resnet101", 44_549_160),
    "resnet152": _imagenet("resnet152", 60_192_808),
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
    "wide_resnet50_2": _imagenet("wide_resnet50_2", 68_883_240, paper=WIDE_RESNET),
    "wide_resnet101_2": _imagenet("wide_resnet101_2", 126_886_696, paper=WIDE_RESNET),
    "preact_resnet110": _preact(Basic, 110, 1_727_962, "facebookarchive/fb.resnet.torch preresnet"),
    "preact_resnet164": _preact(
        Bottleneck, 164, 1_703_258, "KaimingHe/resnet-1k-layers resnet-pre-act"
    ),
    "preact_resnet1001": _preact(
        Bottleneck, 1001, 10_327_706, "KaimingHe/resnet-1k-layers resnet-pre-act"
    ),
    "resnetv2_18": _preact_imagenet(18, 11_687_720),
    "resnetv2_34": _preact_imagenet(34, 21_795_880),
    "resnetv2_50": _preact_imagenet(50, 25_549_352),
    "resnetv2_101": _preact_imagenet(101, 44_541_480),
    "resnetv2_152": _preact_imagenet(152, 60_185_128),
}
