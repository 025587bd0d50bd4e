"""Densely connected networks, for ImageNet and for CIFAR."""

from __future__ import annotations

from functools import partial

from torch import nn

from manako.models.backbones.densenet import BottleneckLayer, DenseNet, Layer, PlainLayer
from manako.models.backbones.densenet_cifar import CifarDenseNet
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, cifar10, imagenet
from manako.models.layers.scaling import deepened, widened
from manako.models.protocols import Backbone

DENSENET = Paper("Densely Connected Convolutional Networks", 2017, "1608.06993")


def _densenet(
    depth: int,
    /,
    *,
    num_classes: int,
    in_channels: int,
    growth_rate: int = 32,
    compression: float = 0.5,
    dropout: float = 0.0,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    backbone = DenseNet(
        depth,
        in_channels,
        growth_rate=widened(growth_rate, width_factor, 4),
        compression=compression,
        dropout=dropout,
        depth_factor=depth_factor,
    )
    return _classifier(backbone, num_classes)


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
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    in_block = 3 * layer.convolutions
    (layers,) = deepened([(depth - 4) // in_block], depth_factor)
    backbone = CifarDenseNet(
        layer,
        in_block * layers + 4,
        widened(growth_rate, width_factor, 4),
        in_channels,
        compression=compression,
        dropout=dropout,
    )
    return _classifier(backbone, num_classes)


def _classifier(backbone: Backbone, num_classes: int) -> Classifier:
    """One whose biases start at zero, as in the authors' code."""
    classifier = Classifier(backbone, num_classes)
    nn.init.zeros_(classifier.head.bias)
    return classifier


def _imagenet(depth: int, params: int, *, growth_rate: int = 32) -> Entry:
    build = partial(_densenet, depth, growth_rate=growth_rate)
    reference = f"torchvision.models.densenet{depth}"
    return imagenet(build, DENSENET, params, reference, "torchvision", "timm")


def _cifar10(
    layer: Layer, depth: int, growth_rate: int, params: int, *, compression: float = 1.0
) -> Entry:
    build = partial(_densenet_cifar, layer, depth, growth_rate, compression=compression)
    reference = f"the paper, and liuzhuang13/DenseNet L={depth}, k={growth_rate}"
    return cifar10(build, DENSENET, params, reference)


_bc_cifar10 = partial(_cifar10, BottleneckLayer, compression=0.5)

ENTRIES: dict[str, Entry] = {
    "densenet121": _imagenet(121, 7_978_856),
    "densenet161": _imagenet(161, 28_681_000, growth_rate=48),
    "densenet169": _imagenet(169, 14_149_480),
    "densenet201": _imagenet(201, 20_013_928),
    "densenet_40_12": _cifar10(PlainLayer, 40, 12, 1_019_722),
    "densenet_100_12": _cifar10(PlainLayer, 100, 12, 6_979_642),
    "densenet_100_24": _cifar10(PlainLayer, 100, 24, 27_249_082),
    "densenet_bc_40_12": _bc_cifar10(40, 12, 176_122),
    "densenet_bc_100_12": _bc_cifar10(100, 12, 769_162),
    "densenet_bc_190_40": _bc_cifar10(190, 40, 25_624_430),
    "densenet_bc_250_24": _bc_cifar10(250, 24, 15_324_406),
}
