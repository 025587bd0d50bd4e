"""ConvNeXt: https://arxiv.org/abs/2201.03545 (Liu et al., "A ConvNet for the 2020s", CVPR 2022).

A ResNet, changed step by step towards a Swin Transformer without its attention: a stem of 4x4
patches, one wide depthwise convolution in a block, one norm, one activation (section 2, figure 4).

Where the paper's text leaves something open it is as in its code and in torchvision, whose names
the parameters carry: every convolution has a bias; a layer norm follows the stem and precedes each
2x2 convolution between stages; a last one stands between the mean and the linear layer, in
`Classifier.mean_norm`; all norms have an eps of 1e-6; weights start from a truncated normal of
0.02. The rates of stochastic depth are those of the training on ImageNet-1K, which are higher than
those of the pre-training on ImageNet-22K.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded down}, stride 4, 8, 16, 32
Behind the stem every map [B, C, H, W] lies in memory as [B, H, W, C] ("channels last"), because
its norm and its linear layers work on the channels of one pixel: the permutations copy nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from manako.models.layers.channel_norm import ChannelNorm
from manako.models.layers.depthwise import DepthwiseConv2d
from manako.models.layers.initialise import truncated_normal
from manako.models.layers.sizes import refuse_small
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates

EPS = 1e-6


class ChannelsToEnd(nn.Module):
    """A view: [B, C, H, W] -> [B, H, W, C]."""

    def forward(self, x: Tensor) -> Tensor:
        """That view."""
        return x.permute(0, 2, 3, 1)


class ChannelsToFront(nn.Module):
    """A view: [B, H, W, C] -> [B, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        """That view."""
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """7x7 depthwise, norm, 1x1 to four times the channels, GELU, 1x1 back, beside the input.

    The 1x1 convolutions are linear layers over the channels, as in the paper's code. `layer_scale`
    multiplies the branch, one number a channel; `rate` is that of stochastic depth (figure 4).
    """

    def __init__(self, width: int, rate: float, layer_scale: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            DepthwiseConv2d(width, 7),
            ChannelsToEnd(),
            nn.LayerNorm(width, EPS),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            ChannelsToFront(),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same shape."""
        branch: Tensor = self.stochastic_depth(self.layer_scale * self.block(x))
        branch += x  # in place: nothing before needs its output again
        return branch


def patches(c_in: int, c_out: int, side: int) -> nn.Conv2d:
    """A convolution of patches that do not overlap."""
    return nn.Conv2d(c_in, c_out, side, stride=side)


class ConvNeXt(nn.Module):
    """A stem of 4x4 patches and four stages of `depths` blocks.

    The first stage has `width` channels, each further one twice as many as the one before. T has
    3, 3, 9, 3 blocks and a width of 96; S, B and L have 3, 3, 27, 3 blocks and widths of 96, 128
    and 192 (section 3).
    `stochastic_depth` is the rate of the last block, from 0 in the first in equal steps;
    `layer_scale` is the value at which all layer scales start.

    >>> with torch.device("meta"):
    ...     ConvNeXt((3, 3, 9, 3), width=96).channels
    {4: 96, 8: 192, 16: 384, 32: 768}
    """

    first_convolution = "features.0.0.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self,
        depths: Sequence[int],
        width: int,
        in_channels: int = 3,
        *,
        stochastic_depth: float = 0.0,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.channels = dict(zip((4, 8, 16, 32), widths, strict=True))
        rates = iter(rising_rates(stochastic_depth, sum(depths)))
        stages = [
            nn.Sequential(*(Block(wide, next(rates), layer_scale) for _ in range(depth)))
            for depth, wide in zip(depths, widths, strict=True)
        ]
        stem = nn.Sequential(patches(in_channels, width, 4), ChannelNorm(width, EPS))
        layers: list[nn.Module] = [stem, stages[0]]
        for stage, wide in zip(stages[1:], widths, strict=False):
            halve = nn.Sequential(ChannelNorm(wide, EPS), patches(wide, 2 * wide, 2))
            layers += [halve, stage]
        self.features = nn.Sequential(*layers)
        truncated_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this ConvNeXt", images, self.least_side)
        stem, stage1, halve1, stage2, halve2, stage3, halve3, stage4 = self.features
        f4 = stage1(stem(images))
        f8 = stage2(halve1(f4))
        f16 = stage3(halve2(f8))
        f32 = stage4(halve3(f16))
        return {4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the four stages, each with the convolution that leads to it."""
        return (
            ("features.0",),
            ("features.1",),
            ("features.2", "features.3"),
            ("features.4", "features.5"),
            ("features.6", "features.7"),
        )
