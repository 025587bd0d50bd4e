"""Densely connected networks for 32x32 pictures: https://arxiv.org/abs/1608.06993.

Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017,
section 3, "Implementation Details".
A 3x3 convolution and three dense blocks of equal length. The plain networks have layers of one
convolution, keep all channels between blocks and begin with 16; those called BC have bottleneck
layers, keep half of the channels and begin with 2k. That is the paper's text, and the paper's
counts of parameters follow from it; its released code begins with 2k channels always. Dropout
follows every convolution but the first. Parameters are named as in `densenet.py`, whose layers
these are.

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded down}
for stride 1, 2, 4. Those of stride 1 and 2 are the blocks' before any norm; the deepest has passed
the last norm and ReLU.
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.backbones.densenet import (
    DenseBlock,
    Layer,
    PlainLayer,
    Transition,
    block_widths,
)
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.sizes import refuse_small


class CifarDenseNet(nn.Module):
    """A 3x3 stem, three dense blocks, a last norm and ReLU.

    `depth` is 3n + 4 with plain layers and 6n + 4 with bottleneck layers, n in each block.
    `compression` is the share of channels that a transition keeps, `dropout` the probability with
    which a value is dropped in training; the paper gives results for 0 and 0.2. Raises UsageError
    for other values.

    >>> CifarDenseNet(PlainLayer, depth=40, growth_rate=12).channels
    {1: 160, 2: 304, 4: 448}
    """

    first_convolution = "conv0.weight"
    least_side = 4  # below it the last transition has no 2x2 pixels

    def __init__(
        self,
        layer: Layer,
        depth: int,
        growth_rate: int,
        in_channels: int = 3,
        *,
        compression: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        count, rest = divmod(depth - 4, 3 * layer.convolutions)
        if count < 1 or rest:
            raise UsageError(
                f"a CIFAR DenseNet of such layers cannot have the depth {depth}",
                expected=f"{3 * layer.convolutions}n + 4",
            )
        stem = 16 if layer is PlainLayer else 2 * growth_rate
        widths = block_widths(stem, (count,) * 3, growth_rate, compression)
        (in1, out1), (in2, out2), (in3, out3) = widths
        self.channels = {1: out1, 2: out2, 4: out3}
        self.conv0 = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        self.denseblock1 = DenseBlock(layer, in1, out1, growth_rate, dropout)
        self.transition1 = Transition(out1, in2, dropout)
        self.denseblock2 = DenseBlock(layer, in2, out2, growth_rate, dropout)
        self.transition2 = Transition(out2, in3, dropout)
        self.denseblock3 = DenseBlock(layer, in3, out3, growth_rate, dropout)
        self.norm = nn.BatchNorm2d(out3)
        self.relu = nn.ReLU(inplace=True)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1, 2 and 4. Raises ShapeError below `least_side`."""
        refuse_small("this DenseNet", images, self.least_side)
        f1 = self.denseblock1(self.conv0(images))
        f2 = self.denseblock2(self.transition1(f1))
        f4 = self.relu(self.norm(self.denseblock3(self.transition2(f2))))
        return {1: f1, 2: f2, 4: f4}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the three blocks, each with the transition before it."""
        return (
            ("conv0",),
            ("denseblock1",),
            ("transition1", "denseblock2"),
            ("transition2", "denseblock3", "norm"),
        )
