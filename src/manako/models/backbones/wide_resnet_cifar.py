"""Wide residual networks for 32x32 pictures: https://arxiv.org/abs/1605.07146.

Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016. WRN-n-k has n convolutions and k
times the channels of a thin network: a 3x3 stem of 16 channels and three stages of 16k, 32k and
64k channels with (n - 4) / 6 blocks each (table 1). Norm and ReLU stand before each convolution,
and dropout between the two convolutions of a block (figure 1d, section 2.4).

What the paper leaves to its code (szagoruyko/wide-residual-networks) is as there: a block that
changes the number of channels has a plain 1x1 convolution as its shortcut, which sees the input
after the block's first norm and ReLU; every other shortcut is the raw input. Parameters have our
own names.

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded up}
for stride 1, 2, 4. Those of stride 1 and 2 are sums before their norm, as they go to the next
stage; the deepest has passed the last norm and ReLU.
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.dropout import Dropout
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.sizes import refuse_small


class WideBlock(nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, dropout, 3x3 beside a shortcut (figure 1d)."""

    def __init__(self, c_in: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        same = c_in == width and stride == 1
        self.shortcut = None if same else nn.Conv2d(c_in, width, 1, stride, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, width, H / stride, W / stride]."""
        activated = self.relu(self.bn1(x))
        y = self.relu(self.bn2(self.conv1(activated)))
        y = self.conv2(self.dropout(y))
        beside = x if self.shortcut is None else self.shortcut(activated)
        return y + beside  # type: ignore[no-any-return]


class WideResNet(nn.Module):
    """A 3x3 stem, three stages, a last norm and ReLU.

    `depth` is 6n + 4, such as 16, 22, 28 or 40; `widening` is the paper's k. `dropout` is the
    probability with which a value is dropped in training; the paper gives results for 0 and, on
    CIFAR, for 0.3. Raises UsageError for other values.

    >>> WideResNet(depth=16, widening=4).channels
    {1: 64, 2: 128, 4: 256}
    """

    first_convolution = "conv1.weight"
    least_side = 4

    def __init__(
        self, depth: int, widening: float, in_channels: int = 3, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4 or widening <= 0:
            raise UsageError(
                f"there is no WRN-{depth}-{widening}",
                expected="a depth of 6n + 4 (16, 22, 28, 40, …) and a widening above 0",
            )
        blocks, width = (depth - 4) // 6, int(16 * widening)
        self.channels = {1: width, 2: 2 * width, 4: 4 * width}
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.layer1 = _stage(16, width, blocks, stride=1, dropout=dropout)
        self.layer2 = _stage(width, 2 * width, blocks, stride=2, dropout=dropout)
        self.layer3 = _stage(2 * width, 4 * width, blocks, stride=2, dropout=dropout)
        self.bn = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1, 2 and 4. Raises ShapeError below `least_side`."""
        refuse_small("this wide ResNet", images, self.least_side)
        f1 = self.layer1(self.conv1(images))
        f2 = self.layer2(f1)
        f4 = self.relu(self.bn(self.layer3(f2)))
        return {1: f1, 2: f2, 4: f4}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the three stages; the last norm belongs to the third."""
        return (("conv1",), ("layer1",), ("layer2",), ("layer3", "bn"))


def _stage(c_in: int, width: int, depth: int, *, stride: int, dropout: float) -> nn.Sequential:
    rest = [WideBlock(width, width, 1, dropout) for _ in range(depth - 1)]
    return nn.Sequential(WideBlock(c_in, width, stride, dropout), *rest)
