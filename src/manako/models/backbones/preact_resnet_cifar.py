"""Pre-activation ResNets for 32x32 pictures: https://arxiv.org/abs/1603.05027.

He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016: norm and ReLU
stand before each convolution, and nothing on the way from sum to sum (figure 4e). A 3x3 stem
without norm, three stages of residual units, a last norm and ReLU. ResNet-110 has units of two 3x3
convolutions, ResNet-164 and ResNet-1001 bottlenecks.

The first unit of a stage activates its input before the paths part, so that its shortcut sees the
activated input (appendix: "right after conv1 and before splitting into two paths", which the
authors' code does for every unit that changes the shape); all other shortcuts are the raw input. A
shortcut that changes the shape is a plain 1x1 convolution beside a bottleneck, as in
KaimingHe/resnet-1k-layers, and has no parameters beside two 3x3 convolutions: every second pixel,
with zeros after the channels that there are, as in facebookarchive/fb.resnet.torch
(`preresnet.lua`; in `resnet_cifar.py` the zeros stand on both sides). A bottleneck strides in its
first 1x1 convolution. Parameters have our own names.

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded up}
for stride 1, 2, 4. Those of stride 1 and 2 are sums before their norm, as they go to the next
stage; the deepest has passed the last norm and ReLU.
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.places import every_nth
from manako.models.layers.sizes import refuse_small


def shortcut_a(x: Tensor, c_out: int, stride: int) -> Tensor:
    """Every `stride`-th pixel, and zeros after the channels that x has.

    >>> import torch
    >>> shortcut_a(torch.ones(1, 2, 1, 1), c_out=4, stride=1).flatten()
    tensor([1., 1., 0., 0.])
    """
    return every_nth(x, stride, (0, c_out - x.shape[1]))


class Basic(nn.Module):
    """Norm, ReLU, 3x3, twice, beside a shortcut without parameters. Gives `width` channels."""

    convolutions = 2
    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int, *, is_first: bool) -> None:
        super().__init__()
        self.width, self.stride, self.is_first = width, stride, is_first
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, width, H / stride, W / stride]."""
        activated = self.relu(self.bn1(x))
        y = self.conv1(activated)
        y = self.conv2(self.relu(self.bn2(y)))
        beside = shortcut_a(activated, self.width, self.stride) if self.is_first else x
        return y + beside  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Norm, ReLU and a convolution, 1x1, 3x3 and 1x1, beside a shortcut. Gives 4 * width."""

    convolutions = 3
    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int, *, is_first: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, width, 1, stride, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.shortcut = nn.Conv2d(c_in, 4 * width, 1, stride, bias=False) if is_first else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, 4 * width, H / stride, W / stride]."""
        activated = self.relu(self.bn1(x))
        y = self.conv1(activated)
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))
        beside = x if self.shortcut is None else self.shortcut(activated)
        return y + beside  # type: ignore[no-any-return]


Unit = type[Basic] | type[Bottleneck]


WIDTH = 16


class CifarPreActResNet(nn.Module):
    """A 3x3 stem, three stages, a last norm and ReLU.

    `depth` is 6n + 2 with basic units and 9n + 2 with bottlenecks, n in each stage; `width` are the
    channels inside the first stage's, of which each stage has twice as many as the one before.
    Raises UsageError for other depths.

    >>> CifarPreActResNet(Bottleneck, depth=164).channels
    {1: 64, 2: 128, 4: 256}
    """

    first_convolution = "conv1.weight"
    least_side = 4

    def __init__(self, unit: Unit, depth: int, in_channels: int = 3, *, width: int = WIDTH) -> None:
        super().__init__()
        count, rest = divmod(depth - 2, 3 * unit.convolutions)
        if count < 1 or rest:
            raise UsageError(
                f"a pre-activation ResNet of such units cannot have {depth} layers",
                expected=f"{3 * unit.convolutions}n + 2",
            )
        k = unit.expansion * width
        self.channels = {1: k, 2: 2 * k, 4: 4 * k}
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.layer1 = _stage(unit, width, width, count, stride=1)
        self.layer2 = _stage(unit, k, 2 * width, count, stride=2)
        self.layer3 = _stage(unit, 2 * k, 4 * width, count, stride=2)
        self.bn = nn.BatchNorm2d(4 * k)
        self.relu = nn.ReLU(inplace=True)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1, 2 and 4. Raises ShapeError below `least_side`."""
        refuse_small("this pre-activation ResNet", images, self.least_side)
        f1 = self.layer1(self.conv1(images))
        f2 = self.layer2(f1)
        f4 = self.relu(self.bn(self.layer3(f2)))
        return {1: f1, 2: f2, 4: f4}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the three stages; the last norm belongs to the third."""
        return (("conv1",), ("layer1",), ("layer2",), ("layer3", "bn"))


def _stage(unit: Unit, c_in: int, width: int, count: int, *, stride: int) -> nn.Sequential:
    first = unit(c_in, width, stride, is_first=True)
    c_out = width * unit.expansion
    rest = [unit(c_out, width, 1, is_first=False) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)
