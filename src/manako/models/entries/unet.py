"""U-Nets."""

from __future__ import annotations

from manako.models.entry import Entry, Paper
from manako.models.unet import unet, unet_bn

UNET = Paper("U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015, "1505.04597")

ENTRIES: dict[str, Entry] = {
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
