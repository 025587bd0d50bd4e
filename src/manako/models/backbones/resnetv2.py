"""Pre-activation ResNets for ImageNet: https://arxiv.org/abs/1603.05027.

He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016: norm and ReLU
stand before each convolution, and nothing on the way from sum to sum (figure 4e); the sizes are
those of `resnet.py`. Of the paper's own two, of 152 and 200 layers, the first is here, and the
smaller ones that timm has beside it.

The form is timm's too, so that its weights load, and departs from the paper twice. The stem has no
norm and ReLU of its own: those of the first block come after the max-pooling, and with 18 and 34
layers the first shortcut is the raw pooled map, where the paper activates before the paths part. A
down-sampling bottleneck strides in its 3x3 convolution, not in its first 1x1.

A block that changes the shape has a plain 1x1 convolution as its shortcut, which sees the input
after the block's first norm and ReLU; every other shortcut is the raw input.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded up}, stride 4, 8, 16, 32
The maps of stride 4, 8 and 16 are sums before their norm, as they go to the next stage; the deepest
has passed the last norm and ReLU.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.scaling import deepened, widened
from manako.models.layers.sizes import refuse_small
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Conv2d | None:
    """A 1x1 convolution where the shapes differ."""
    if stride == 1 and c_in == c_out:
        return None
    return nn.Conv2d(c_in, c_out, 1, stride, bias=False)


class Basic(nn.Module):
    """Norm, ReLU, 3x3, twice, beside a shortcut. Gives `width` channels."""

    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int, rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.downsample = shortcut(c_in, width, stride)
        self.relu = nn.ReLU(inplace=True)
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, width, H / stride, W / stride]."""
        activated = self.relu(self.norm1(x))
        y = self.conv1(activated)
        y = self.conv2(self.relu(self.norm2(y)))
        beside = x if self.downsample is None else self.downsample(activated)
        return self.stochastic_depth(y) + beside  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Norm, ReLU and a convolution, 1x1, 3x3 and 1x1, beside a shortcut. Gives 4 * width."""

    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int, rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.downsample = shortcut(c_in, 4 * width, stride)
        self.relu = nn.ReLU(inplace=True)
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, 4 * width, H / stride, W / stride]."""
        activated = self.relu(self.norm1(x))
        y = self.conv1(activated)
        y = self.conv2(self.relu(self.norm2(y)))
        y = self.conv3(self.relu(self.norm3(y)))
        beside = x if self.downsample is None else self.downsample(activated)
        return self.stochastic_depth(y) + beside  # type: ignore[no-any-return]


Block = type[Basic] | type[Bottleneck]

DEPTHS: dict[int, tuple[Block, tuple[int, ...]]] = {
    18: (Basic, (2, 2, 2, 2)),
    34: (Basic, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def stage(
    block: Block, c_in: int, width: int, depth: int, stride: int, rates: Iterator[float]
) -> nn.Sequential:
    """`depth` blocks; the first changes channels and resolution. Takes a rate for each."""
    first = block(c_in, width, stride, next(rates))
    rest = [block(width * block.expansion, width, 1, next(rates)) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


class ResNetV2(nn.Module):
    """A convolution and max-pooling of stride 4, four stages, a last norm and ReLU.

    `depth` is 18, 34, 50, 101 or 152. `stochastic_depth` is the rate at which the last block's
    branch is left out in training; those before it rise to it from 0. Raises UsageError for other
    values. Factors make it so many times as wide and as deep.

    >>> ResNetV2(18).channels
    {4: 64, 8: 128, 16: 256, 32: 512}
    """

    first_convolution = "conv1.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        *,
        stochastic_depth: float = 0.0,
        width_factor: float = 1.0,
        depth_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise UsageError(
                f"a ResNetV2 cannot have {depth} layers", expected=", ".join(map(str, DEPTHS))
            )
        block, depths = DEPTHS[depth]
        depths, width = deepened(depths, depth_factor), widened(64, width_factor)
        rates = iter(rising_rates(stochastic_depth, sum(depths)))
        k = block.expansion * width
        self.channels = {4: k, 8: 2 * k, 16: 4 * k, 32: 8 * k}
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, width, width, depths[0], 1, rates)
        self.layer2 = stage(block, k, 2 * width, depths[1], 2, rates)
        self.layer3 = stage(block, 2 * k, 4 * width, depths[2], 2, rates)
        self.layer4 = stage(block, 4 * k, 8 * width, depths[3], 2, rates)
        self.norm = nn.BatchNorm2d(8 * k)
        self.relu = nn.ReLU(inplace=True)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this ResNetV2", images, self.least_side)
        f4 = self.layer1(self.maxpool(self.conv1(images)))
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        f32 = self.relu(self.norm(self.layer4(f16)))
        return {4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the four stages; the last norm belongs to the fourth."""
        return (("conv1",), ("layer1",), ("layer2",), ("layer3",), ("layer4", "norm"))
