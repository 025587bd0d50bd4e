"""MobileNet v1: https://arxiv.org/abs/1704.04861.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017. A width multiplier alpha thins every layer (section 3.3). Its resolution
multiplier (section 3.4) is the size of the pictures, which may be any.

Where the paper and its code (tensorflow/models, slim) differ, this is the code: the nonlinearity
is ReLU6, and the last block has stride 1, for table 1 gives it stride 2 and yet the same size
before and after. Two things differ from both, as they do in timm, whose parameter names these
are, so that its weights load unchanged: convolutions of stride 2 are padded by one pixel on all
sides, not only at the right and bottom ("SAME"), and batch norm adds 1e-5, not 1e-3. Weights of
TensorFlow, and transformers' copies of them, were made for the other arithmetic and are therefore
not offered. The code's dropout of 0.001 before the head is an option, and off.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded up}, stride 2, 4, 8, 16, 32
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.depthwise import DepthwiseConv2d
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.scaling import deepened
from manako.models.layers.sizes import refuse_small

LEAST_CHANNELS = 8


class DepthwiseSeparable(nn.Module):
    """A 3x3 filter for each channel, then a 1x1 convolution across them (figure 3, right)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = DepthwiseConv2d(c_in, 3, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv_pw = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride]."""
        x = self.relu(self.bn1(self.conv_dw(x)))
        return self.relu(self.bn2(self.conv_pw(x)))  # type: ignore[no-any-return]


class MobileNetV1(nn.Module):
    """A 3x3 stem of stride 2, then 13 depthwise separable convolutions (table 1).

    `width` is the paper's alpha, usually 1, 0.75, 0.5 or 0.25: every layer has that share of its
    channels, rounded down, but no fewer than 8. `depth_factor` multiplies the blocks of each
    resolution, which the paper does not. Raises UsageError where they are not above zero.

    >>> MobileNetV1(width=0.25).channels
    {2: 16, 4: 32, 8: 64, 16: 128, 32: 256}
    """

    first_convolution = "conv_stem.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self, in_channels: int = 3, *, width: float = 1.0, depth_factor: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 < width < math.inf:
            raise UsageError(f"width must be a number above 0, not {width}")
        stem, c2, c4, c8, c16, c32 = (
            max(int(width * channels), LEAST_CHANNELS) for channels in (32, 64, 128, 256, 512, 1024)
        )
        self.channels = {2: c2, 4: c4, 8: c8, 16: c16, 32: c32}
        self.conv_stem = nn.Conv2d(in_channels, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU6(inplace=True)
        d2, d4, d8, d16, d32 = deepened((1, 2, 2, 6, 2), depth_factor)
        self.blocks = nn.ModuleList(
            [
                _stage(stem, c2, depth=d2, stride=1),
                _stage(c2, c4, depth=d4, stride=2),
                _stage(c4, c8, depth=d8, stride=2),
                _stage(c8, c16, depth=d16, stride=2),
                _stage(c16, c32, depth=d32, stride=2),
            ]
        )
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 2 to 32. Raises ShapeError below `least_side`."""
        refuse_small("this MobileNet", images, self.least_side)
        x = self.relu(self.bn1(self.conv_stem(images)))
        features = {}
        for stride, stage in zip(self.channels, self.blocks, strict=True):
            x = stage(x)
            features[stride] = x
        return features

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the blocks of each resolution."""
        return (("conv_stem", "bn1"), *((f"blocks.{index}",) for index in range(len(self.blocks))))


def _stage(c_in: int, c_out: int, *, depth: int, stride: int) -> nn.Sequential:
    """`depth` blocks; the first changes channels and resolution."""
    rest = [DepthwiseSeparable(c_out, c_out, 1) for _ in range(depth - 1)]
    return nn.Sequential(DepthwiseSeparable(c_in, c_out, stride), *rest)
