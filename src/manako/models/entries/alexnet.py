"""Plain convolutional networks: AlexNet, VGG, All-CNN, and the first with a spatial pyramid."""

from __future__ import annotations

from functools import partial

from manako.models.backbones.alexnet import alexnet, alexnet_paper
from manako.models.backbones.all_cnn import all_cnn_c
from manako.models.backbones.vgg import BINS, VGG
from manako.models.backbones.zf5 import spp_zf5
from manako.models.entry import Entry, Paper, cifar10, imagenet
from manako.models.fully_connected import FullyConnectedClassifier, FullyConnectedHead
from manako.models.layers.bins import MeanBins
from manako.models.layers.initialise import normal

ALEXNET = Paper("ImageNet Classification with Deep Convolutional Neural Networks", 2012)
ONE_COLUMN = Paper(
    "One weird trick for parallelizing convolutional neural networks", 2014, "1404.5997"
)
VERY_DEEP = Paper(
    "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015, "1409.1556"
)
ALL_CNN = Paper("Striving for Simplicity: The All Convolutional Net", 2015, "1412.6806")
SPP = Paper(
    "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition",
    2014,
    "1406.4729",
)


def vgg(
    depth: int,
    batch_norm: bool,
    /,
    *,
    num_classes: int,
    in_channels: int = 3,
    dropout: float = 0.5,
    hidden: int = 4096,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> FullyConnectedClassifier:
    """The classifier; `hidden` is the width of fc6 and fc7, `dropout` the share left out behind."""
    backbone = VGG(
        depth,
        in_channels,
        batch_norm=batch_norm,
        width_factor=width_factor,
        depth_factor=depth_factor,
    )
    head = FullyConnectedHead(
        backbone.channels[32] * BINS**2, num_classes, hidden=hidden, dropout=(0.0, dropout, dropout)
    )
    normal(head, std=0.01)
    return FullyConnectedClassifier(backbone, MeanBins(BINS), head)


def _vgg(depth: int, params: int, *, batch_norm: bool = False) -> Entry:
    reference = f"torchvision.models.vgg{depth}{'_bn' if batch_norm else ''}"
    return imagenet(partial(vgg, depth, batch_norm), VERY_DEEP, params, reference, "torchvision")


ENTRIES: dict[str, Entry] = {
    "alexnet": imagenet(
        alexnet, ONE_COLUMN, 61_100_840, "torchvision.models.alexnet", "torchvision"
    ),
    "alexnet_paper": imagenet(
        alexnet_paper,
        ALEXNET,
        60_965_224,
        "the paper, sections 3 to 5, with the sizes of Caffe's bvlc_alexnet",
        side=227,
    ),
    "vgg11": _vgg(11, 132_863_336),
    "vgg11_bn": _vgg(11, 132_868_840, batch_norm=True),
    "vgg13": _vgg(13, 133_047_848),
    "vgg13_bn": _vgg(13, 133_053_736, batch_norm=True),
    "vgg16": _vgg(16, 138_357_544),
    "vgg16_bn": _vgg(16, 138_365_992, batch_norm=True),
    "vgg19": _vgg(19, 143_667_240),
    "vgg19_bn": _vgg(19, 143_678_248, batch_norm=True),
    "all_cnn_c": cifar10(all_cnn_c, ALL_CNN, 1_369_738, "the paper, tables 1 and 2"),
    "spp_zf5": imagenet(
        spp_zf5, SPP, 77_037_672, "ShaoqingRen/SPP_net model-defs/Zeiler_conv5.prototxt"
    ),
}
