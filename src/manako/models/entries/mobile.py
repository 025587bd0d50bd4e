"""Networks of depthwise convolutions, for small machines: MobileNet and EfficientNet."""

from __future__ import annotations

from functools import partial

from manako.models.backbones.efficientnet import VARIANTS, efficientnet
from manako.models.backbones.mobilenetv1 import MobileNetV1
from manako.models.classifier import Classifier
from manako.models.entry import Entry, Paper, imagenet
from manako.models.layers.scaling import checked

MOBILENET = Paper(
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    2017,
    "1704.04861",
)
EFFICIENTNET = Paper(
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, "1905.11946"
)


def _mobilenetv1(
    *,
    num_classes: int,
    in_channels: int,
    width: float,
    dropout: float = 0.0,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    wider = width * checked(width_factor)
    backbone = MobileNetV1(in_channels, width=wider, depth_factor=depth_factor)
    return Classifier(backbone, num_classes, dropout=dropout)


def _efficientnet(
    name: str,
    /,
    *,
    num_classes: int,
    in_channels: int,
    dropout: float,
    stochastic_depth: float = 0.2,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> Classifier:
    backbone = efficientnet(
        name,
        in_channels,
        stochastic_depth=stochastic_depth,
        width_factor=width_factor,
        depth_factor=depth_factor,
    )
    return Classifier(backbone, num_classes, dropout=dropout)


def _mobilenet(width: float, params: int) -> Entry:
    reference = f"timm mobilenetv1 with channel_multiplier={width}"
    return imagenet(partial(_mobilenetv1, width=width), MOBILENET, params, reference, "timm")


def _efficient(name: str, side: int, params: int) -> Entry:
    build = partial(_efficientnet, name, dropout=VARIANTS[name].dropout)
    reference = f"torchvision.models.efficientnet_{name}"
    return imagenet(build, EFFICIENTNET, params, reference, "torchvision", side=side)


ENTRIES: dict[str, Entry] = {
    # The paper's widths, and one more that timm has weights for.
    "mobilenetv1_025": _mobilenet(0.25, 470_072),
    "mobilenetv1_050": _mobilenet(0.5, 1_331_592),
    "mobilenetv1_075": _mobilenet(0.75, 2_585_560),
    "mobilenetv1_100": _mobilenet(1.0, 4_231_976),
    "mobilenetv1_125": _mobilenet(1.25, 6_270_840),
    # The sizes at which torchvision evaluates: the authors', but for B2, which has 260 there.
    "efficientnet_b0": _efficient("b0", 224, 5_288_548),
    "efficientnet_b1": _efficient("b1", 240, 7_794_184),
    "efficientnet_b2": _efficient("b2", 288, 9_109_994),
    "efficientnet_b3": _efficient("b3", 300, 12_233_232),
    "efficientnet_b4": _efficient("b4", 380, 19_341_616),
    "efficientnet_b5": _efficient("b5", 456, 30_389_784),
    "efficientnet_b6": _efficient("b6", 528, 43_040_704),
    "efficientnet_b7": _efficient("b7", 600, 66_347_960),
}
