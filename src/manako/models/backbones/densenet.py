"""Densely connected networks: https://arxiv.org/abs/1608.06993.

Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.
Within a dense block every layer sees the maps of all layers before it, concatenated, and adds k of
its own (k is the growth rate); between blocks a transition keeps a share of the channels (the
compression) and halves the size. Norm and ReLU stand before each convolution. Here are the four
networks for ImageNet, whose parameters have torchvision's names; those for CIFAR are in
`densenet_cifar.py`.

Two departures from torchvision, both as in the paper and its code (liuzhuang13/DenseNet). Dropout
follows every convolution but the first (section 4.2, "Training"), where torchvision drops only the
new maps of a layer. Convolutions are drawn by "fan out", where it draws by "fan in". Neither
changes what a file of weights computes.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, about H / stride, about W / stride]}, stride 4, 8, 16, 32
The stem rounds sizes up, the transitions round down. The maps of stride 4, 8 and 16 are the blocks'
before any norm, as they go to the transitions; the deepest has passed the last norm and ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.dropout import Dropout
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.scaling import deepened
from manako.models.layers.sizes import refuse_small

LAYERS = {  # table 1: the name's number -> layers in each block
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
}


class PlainLayer(nn.Module):
    """Norm, ReLU, 3x3 convolution: the k new maps of one layer (section 3)."""

    convolutions = 1

    def __init__(self, c_in: int, growth_rate: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, growth_rate, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, k, H, W]."""
        return self.dropout(self.conv1(self.relu(self.norm1(x))))  # type: ignore[no-any-return]


class BottleneckLayer(nn.Module):
    """The same behind a 1x1 convolution to 4k channels with its norm and ReLU ("DenseNet-B")."""

    convolutions = 2

    def __init__(self, c_in: int, growth_rate: int, dropout: float) -> None:
        super().__init__()
        inner = 4 * growth_rate
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth_rate, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, k, H, W]."""
        y = self.dropout(self.conv1(self.relu(self.norm1(x))))
        return self.dropout(self.conv2(self.relu(self.norm2(y))))  # type: ignore[no-any-return]


Layer = type[PlainLayer] | type[BottleneckLayer]


class DenseBlock(nn.ModuleDict):
    """Layers that each see what came before the block and the maps of all layers before them.

    As many of them as bring `c_in` channels to `c_out`.
    """

    def __init__(
        self, layer: Layer, c_in: int, c_out: int, growth_rate: int, dropout: float
    ) -> None:
        super().__init__()
        for number, seen in enumerate(range(c_in, c_out, growth_rate), 1):
            self[f"denselayer{number}"] = layer(seen, growth_rate, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H, W], the input first."""
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution, and the mean of every 2x2 pixels."""

    def __init__(self, c_in: int, c_out: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c_in)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.dropout = Dropout(dropout)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / 2, W / 2], rounded down."""
        y = self.dropout(self.conv(self.relu(self.norm(x))))
        return self.pool(y)  # type: ignore[no-any-return]


def block_widths(
    stem: int, layers: Sequence[int], growth_rate: int, compression: float
) -> list[tuple[int, int]]:
    """Channels before and after each dense block; of those after it, a share goes to the next.

    Raises UsageError for a growth rate or compression that cannot be.

    >>> block_widths(64, layers=(6, 12, 24, 16), growth_rate=32, compression=0.5)
    [(64, 256), (128, 512), (256, 1024), (512, 1024)]
    """
    if growth_rate < 1:
        raise UsageError(f"growth_rate must be 1 or more, not {growth_rate}")
    if not 0 < compression <= 1:
        raise UsageError(f"compression must be above 0 and at most 1, not {compression}")
    widths, before = [], stem
    for count in layers:
        after = before + count * growth_rate
        widths.append((before, after))
        before = max(1, math.floor(after * compression))
    return widths


class DenseNet(nn.Module):
    """A stem of stride 4 and four dense blocks of bottleneck layers (table 1).

    `depth` is 121, 161, 169 or 201; DenseNet-161 is meant for a growth rate of 48. `compression`
    is the share of channels that a transition keeps, `dropout` the probability with which a value
    is dropped in training; `depth_factor` multiplies the layers of each block. Raises UsageError
    for other values.

    >>> DenseNet(121).channels
    {4: 256, 8: 512, 16: 1024, 32: 1024}
    """

    first_convolution = "conv0.weight"
    least_side = 29  # below it the last transition has no 2x2 pixels

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        *,
        growth_rate: int = 32,
        compression: float = 0.5,
        dropout: float = 0.0,
        depth_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if depth not in LAYERS:
            raise UsageError(
                f"there is no DenseNet-{depth}", expected=", ".join(str(one) for one in LAYERS)
            )
        stem = 2 * growth_rate
        widths = block_widths(stem, deepened(LAYERS[depth], depth_factor), growth_rate, compression)
        (in1, out1), (in2, out2), (in3, out3), (in4, out4) = widths
        more = (growth_rate, dropout)
        self.channels = {4: out1, 8: out2, 16: out3, 32: out4}
        self.conv0 = nn.Conv2d(in_channels, stem, 7, stride=2, padding=3, bias=False)
        self.norm0 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
        self.denseblock1 = DenseBlock(BottleneckLayer, in1, out1, *more)
        self.transition1 = Transition(out1, in2, dropout)
        self.denseblock2 = DenseBlock(BottleneckLayer, in2, out2, *more)
        self.transition2 = Transition(out2, in3, dropout)
        self.denseblock3 = DenseBlock(BottleneckLayer, in3, out3, *more)
        self.transition3 = Transition(out3, in4, dropout)
        self.denseblock4 = DenseBlock(BottleneckLayer, in4, out4, *more)
        self.norm5 = nn.BatchNorm2d(out4)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this DenseNet", images, self.least_side)
        x = self.pool0(self.relu(self.norm0(self.conv0(images))))
        f4 = self.denseblock1(x)
        f8 = self.denseblock2(self.transition1(f4))
        f16 = self.denseblock3(self.transition2(f8))
        f32 = self.relu(self.norm5(self.denseblock4(self.transition3(f16))))
        return {4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the four blocks, each with the transition before it."""
        return (
            ("conv0", "norm0"),
            ("denseblock1",),
            ("transition1", "denseblock2"),
            ("transition2", "denseblock3"),
            ("transition3", "denseblock4", "norm5"),
        )
