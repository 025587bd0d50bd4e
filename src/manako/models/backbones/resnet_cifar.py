"""The small ResNets for 32x32 pictures: https://arxiv.org/abs/1512.03385, section 4.2.

Three stages of 16, 32 and 64 channels with n = (depth - 2) / 6 basic blocks each, a 3x3 stem and
no max-pooling. Shortcuts have no parameters (option A): where the size halves, every second pixel
is taken, and the missing channels are zeros. The paper does not say on which side they stand;
here half of them come before and half after, as in akamaster/pytorch_resnet_cifar10, whose
parameter names are used too (other implementations append all of them: same count of parameters,
other outputs).

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded up}
for stride 1, 2, 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.places import every_nth
from manako.models.layers.sizes import refuse_small


def shortcut_a(x: Tensor, c_out: int, stride: int) -> Tensor:
    """Option A: every `stride`-th pixel, zeros for the channels that x lacks, half on each side.

    >>> import torch
    >>> shortcut_a(torch.ones(1, 2, 1, 1), c_out=4, stride=1).flatten()
    tensor([0., 1., 1., 0.])
    """
    missing = c_out - x.shape[1]
    return every_nth(x, stride, (missing // 2, missing - missing // 2))


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters."""

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, width, H / stride, W / stride]."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1 or x.shape[1] != self.width:
            x = shortcut_a(x, self.width, self.stride)
        return self.relu(y + x)  # type: ignore[no-any-return]


class CifarResNet(nn.Module):
    """A 3x3 stem and three stages; `depth` is 6n + 2, such as 20, 32, 44, 56 or 110.

    `width` are the channels of the first stage; each has twice as many as the one before.
    """

    first_convolution = "conv1.weight"
    least_side = 4

    def __init__(self, depth: int, in_channels: int = 3, *, width: int = 16) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise UsageError(
                f"a CIFAR ResNet cannot have {depth} layers", expected="6n + 2: 20, 32, 44, 56, …"
            )
        blocks = (depth - 2) // 6
        self.channels = {1: width, 2: 2 * width, 4: 4 * width}
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(width, width, blocks, stride=1)
        self.layer2 = _stage(width, 2 * width, blocks, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, blocks, stride=2)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1, 2 and 4. Raises ShapeError below `least_side`."""
        refuse_small("this ResNet", images, self.least_side)
        f1 = self.layer1(self.relu(self.bn1(self.conv1(images))))
        f2 = self.layer2(f1)
        f4 = self.layer3(f2)
        return {1: f1, 2: f2, 4: f4}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the three stages."""
        return (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",))


def _stage(c_in: int, width: int, depth: int, stride: int) -> nn.Sequential:
    rest = [Block(width, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(Block(c_in, width, stride), *rest)
