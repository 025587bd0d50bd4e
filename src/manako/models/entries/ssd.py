"""SSD on residual networks."""

from __future__ import annotations

from functools import partial

from manako.models.backbones.resnet import resnet
from manako.models.entry import Entry, Paper
from manako.models.ssd import SSD

SSD_PAPER = Paper("SSD: Single Shot MultiBox Detector", 2016, "1512.02325")


def _ssd(
    backbone: str,
    /,
    *,
    num_classes: int,
    in_channels: int,
    size_factor: float = 3.0,
    wide_ratios: bool = False,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> SSD:
    return SSD(
        resnet(backbone, in_channels, width_factor=width_factor, depth_factor=depth_factor),
        num_classes,
        size_factor=size_factor,
        wide_ratios=wide_ratios,
    )


def _voc(backbone: str, params: int) -> Entry:
    return Entry(
        build=partial(_ssd, backbone),
        task="detection",
        paper=SSD_PAPER,
        params=params,
        num_classes=20,
        size_hw=(300, 300),
        reference=f"own form on torchvision.models.{backbone}",
        layouts=("torchvision",),
    )


ENTRIES: dict[str, Entry] = {
    "ssd_resnet18": _voc("resnet18", 12_574_928),
    "ssd_resnet34": _voc("resnet34", 22_683_088),
    "ssd_resnet50": _voc("resnet50", 27_522_256),
    "ssd_resnet101": _voc("resnet101", 46_514_384),
    "ssd_resnet152": _voc("resnet152", 62_158_032),
}
