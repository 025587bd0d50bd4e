"""ResNet, the v1.5 form: https://arxiv.org/abs/1512.03385 (He et al., CVPR 2016).

And the wide ones of https://arxiv.org/abs/1605.07146 (Zagoruyko and Komodakis 2016, section 3,
"ImageNet"): the same networks with the 3x3 convolutions of their bottlenecks twice as wide.

One departure from the paper: a down-sampling bottleneck strides in its 3x3 convolution, not in
its first 1x1. torchvision does the same, and parameters carry its names, so that its weights
load unchanged.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded up}, stride 4, 8, 16, 32
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from manako.errors import UnknownName
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.scaling import deepened, widened
from manako.models.layers.sizes import refuse_small


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, up to its stride; a batch norm follows, so no bias."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """The identity where the shapes agree, else a strided 1x1 convolution (option B)."""
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (figure 5, left). Gives `width` channels."""

    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(c_in, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(c_in, width, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both paths, rectified."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.downsample(x)  # in place: the norm before does not need its output again
        return self.relu(y)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut (figure 5, right). Gives 4 * width channels.

    Between its 1x1 convolutions are `widening` * width channels.
    """

    expansion = 4
    widening = 1

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        inner = self.widening * width
        self.conv1 = conv(c_in, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3, stride)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv(inner, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(c_in, 4 * width, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both paths, rectified."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.downsample(x)  # in place: the norm before does not need its output again
        return self.relu(y)  # type: ignore[no-any-return]


class WideBottleneck(Bottleneck):
    """A bottleneck that is twice as wide inside."""

    widening = 2


Block = type[BasicBlock] | type[Bottleneck]
WIDTH = 64  # of the first stage


def stage(block: Block, c_in: int, width: int, depth: int, stride: int) -> nn.Sequential:
    """`depth` blocks; the first changes channels and resolution."""
    first = block(c_in, width, stride)
    rest = [block(width * block.expansion, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


class ResNet(nn.Module):
    """A stem of stride 4 and four stages of `depths` residual blocks (table 1).

    `width` are the channels inside the blocks of the first stage; each stage has twice as many as
    the one before.
    """

    first_convolution = "conv1.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self, block: Block, depths: Sequence[int], in_channels: int = 3, *, width: int = WIDTH
    ) -> None:
        super().__init__()
        k = block.expansion * width
        self.channels = {4: k, 8: 2 * k, 16: 4 * k, 32: 8 * k}
        self.conv1 = conv(in_channels, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, width, width, depths[0], stride=1)
        self.layer2 = stage(block, k, 2 * width, depths[1], stride=2)
        self.layer3 = stage(block, 2 * k, 4 * width, depths[2], stride=2)
        self.layer4 = stage(block, 4 * k, 8 * width, depths[3], stride=2)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this ResNet", images, self.least_side)
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        f4 = self.layer1(x)
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        f32 = self.layer4(f16)
        return {4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the four stages."""
        return (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


VARIANTS: dict[
    str, tuple[Block, tuple[int, ...]]
] = {  # table 1, and "Wide Residual Networks", table 8
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
    "wide_resnet50_2": (WideBottleneck, (3, 4, 6, 3)),
    "wide_resnet101_2": (WideBottleneck, (3, 4, 23, 3)),
}


def resnet(
    name: str, in_channels: int = 3, *, width_factor: float = 1.0, depth_factor: float = 1.0
) -> ResNet:
    """One of `VARIANTS` by its name there, or so many times as wide and as deep.

    Raises UnknownName for another name, UsageError for factors that cannot be.
    """
    if name not in VARIANTS:
        raise UnknownName("ResNet", name, VARIANTS)
    block, depths = VARIANTS[name]
    width = widened(WIDTH, width_factor)
    return ResNet(block, deepened(depths, depth_factor), in_channels, width=width)
