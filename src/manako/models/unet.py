"""U-Net: https://arxiv.org/abs/1505.04597 (Ronneberger, Fischer, Brox 2015).

Two forms on one skeleton. `unet` has the paper's widths and blocks; `unet_bn` is the small form of
textbooks: one convolution, batch norm and ReLU in each block, and three poolings.

What differs from the paper: convolutions are padded, so that the output has the size of the
input (the paper: 572 pixels in, 388 out); no dropout at the end of the contracting path. In the
concatenation the channels that come up stand before those of the skip connection.

Shapes: images [B, C, H, W], H and W multiples of 16 (`unet`) or 8 (`unet_bn`); logits [B, K, H, W].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.sizes import refuse_uneven
from manako.models.protocols import ClassRows

Block = Callable[[int, int], nn.Sequential]


def two_convolutions(c_in: int, c_out: int) -> nn.Sequential:
    """3x3, ReLU, 3x3, ReLU (figure 1)."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def convolution_and_norm(c_in: int, c_out: int) -> nn.Sequential:
    """3x3, batch norm, ReLU. The bias changes nothing before a norm; the textbook form has it."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """A contracting and an expanding path with skip connections.

    `widths` are the channels from the finest level to the bottleneck; there is one 2x2 max-pool,
    and on the way back one 2x2 transposed convolution, between every two of them. Weights start
    from N(0, sqrt(2 / N)), N being the values that one output sums (section 3), biases from zero.
    """

    def __init__(
        self, num_classes: int, in_channels: int, widths: tuple[int, ...], block: Block
    ) -> None:
        super().__init__()
        if min(widths) < 1:
            raise UsageError(f"the widths of a U-Net must be 1 or more, not {widths}")
        self.size_multiple: int = 2 ** (len(widths) - 1)
        steps = list(pairwise(widths))
        self.first = block(in_channels, widths[0])
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(block(fine, coarse) for fine, coarse in steps)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(steps)
        )
        self.merge = nn.ModuleList(block(2 * fine, fine) for fine, _ in reversed(steps))
        self.head = nn.Conv2d(widths[0], num_classes, 1)
        _initialise(self)

    @property
    def least_side(self) -> int:
        """One pixel is left at the bottleneck."""
        return self.size_multiple

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K, H, W]. Raises ShapeError for sizes that cannot be halved often enough."""
        refuse_uneven("this U-Net", images, self.size_multiple)
        x = self.first(images)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), skips.pop()], 1))  # [B, 2 * fine, h, w] -> [B, fine, h, w]
        return self.head(x)  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The contracting path level by level, then the expanding path with the head."""
        levels = [(f"down.{level}",) for level in range(len(self.down))]
        return (("first",), *levels, ("up", "merge", "head"))

    def class_rows(self) -> dict[str, ClassRows]:
        """The last 1x1 convolution has one row for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}


def unet(num_classes: int, in_channels: int = 3, *, width: int = 64) -> UNet:
    """The paper's form: two convolutions a block, four poolings, widths 64 to 1024.

    >>> with torch.device("meta"):
    ...     model = unet(num_classes=2, in_channels=1)
    >>> sum(parameter.numel() for parameter in model.parameters())
    31030658
    """
    widths = (width, 2 * width, 4 * width, 8 * width, 16 * width)
    return UNet(num_classes, in_channels, widths, two_convolutions)


def unet_bn(num_classes: int, in_channels: int = 3, *, width: int = 64) -> UNet:
    """The textbook's form: one convolution with norm a block, three poolings, widths 64 to 512.

    >>> with torch.device("meta"):
    ...     model = unet_bn(num_classes=10)
    >>> sum(parameter.numel() for parameter in model.parameters())
    3791754
    """
    widths = (width, 2 * width, 4 * width, 8 * width)
    return UNet(num_classes, in_channels, widths, convolution_and_norm)


def _initialise(model: UNet) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            summed = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
        elif isinstance(layer, nn.ConvTranspose2d):
            summed = layer.in_channels  # stride 2, kernel 2: every output lies under one tap
        else:
            continue
        nn.init.normal_(layer.weight, std=math.sqrt(2 / summed))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
