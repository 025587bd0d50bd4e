"""The ResNet in front of a hybrid Vision Transformer: https://arxiv.org/abs/2010.11929.

Dosovitskiy et al., ICLR 2021, section 3.1 ("Hybrid Architecture") and 4.1 ("Model Variants"): a
ResNet whose batch norms are group norms and whose convolutions have standardised weights, as in
"Big Transfer" (Kolesnikov et al. 2020, https://arxiv.org/abs/1912.11370), but with the norms
behind the convolutions and the stride in the 3x3 convolution, as in ResNet v1.5. R50 at stride 16
has stages of 3, 4 and 9 blocks: the fourth is left out and its depth given to the third.

What differs from the paper's code (google-research/vision_transformer), as in timm, whose weights
load: weights are divided by sqrt(variance + 1e-8), not by their deviation + 1e-5, and the eps of a
group norm is 1e-5. As in both, padding is what TensorFlow calls SAME: at stride 2 a map of even
size gets one row more below than above.

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded up}
for stride 4, 8, 16 and, with a fourth stage, 32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.models.layers.initialise import kaiming_normal

GROUPS = 32


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """`x` [.., H, W] with zeros around it, so that a layer gives H / stride x W / stride values.

    >>> pad_same(torch.zeros(1, 1, 8, 9), kernel=3, stride=2).shape
    torch.Size([1, 1, 9, 11])
    """
    height, width = (
        max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]
    )
    before_h, before_w = height // 2, width // 2
    return functional.pad(x, (before_w, width - before_w, before_h, height - before_h))


class StandardisedConv(nn.Conv2d):
    """A convolution, without bias, by weights of mean 0 and variance 1 for each of its outputs.

    Qiao et al. 2019, "Weight Standardization", https://arxiv.org/abs/1903.10520, equation 5.
    """

    eps = 1e-8

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride], rounded up."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * (variance + self.eps).rsqrt()
        x = pad_same(x, self.kernel_size[0], self.stride[0])
        return functional.conv2d(x, weight, stride=self.stride)


class Downsample(nn.Module):
    """The shortcut where channels or size change: a strided 1x1 convolution and its norm."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv = StandardisedConv(c_in, c_out, 1, stride)
        self.norm = nn.GroupNorm(GROUPS, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride]."""
        return self.norm(self.conv(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut. Gives 4 * `width` channels.

    The scale of its last norm starts at zero: a new block passes its input on.
    """

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        c_out = 4 * width
        self.conv1 = StandardisedConv(c_in, width, 1)
        self.norm1 = nn.GroupNorm(GROUPS, width)
        self.conv2 = StandardisedConv(width, width, 3, stride)
        self.norm2 = nn.GroupNorm(GROUPS, width)
        self.conv3 = StandardisedConv(width, c_out, 1)
        self.norm3 = nn.GroupNorm(GROUPS, c_out)
        same = c_in == c_out and stride == 1
        self.downsample = nn.Identity() if same else Downsample(c_in, c_out, stride)
        nn.init.zeros_(self.norm3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both paths, rectified."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        return functional.relu(y + self.downsample(x))


class ResNetStem(nn.Module):
    """A 7x7 convolution and a pooling, then stages of `depths` blocks, 64, 128, ... wide.

    >>> ResNetStem((3, 4, 9)).channels
    {4: 256, 8: 512, 16: 1024}
    """

    def __init__(self, depths: Sequence[int], in_channels: int = 3) -> None:
        super().__init__()
        self.conv = StandardisedConv(in_channels, 64, 7, stride=2)
        self.norm = nn.GroupNorm(GROUPS, 64)
        self.layers = nn.ModuleList()
        self.channels: dict[int, int] = {}
        c_in = 64
        for number, depth in enumerate(depths):
            width = 64 * 2**number
            first = Bottleneck(c_in, width, stride=1 if number == 0 else 2)
            rest = [Bottleneck(4 * width, width, stride=1) for _ in range(depth - 1)]
            self.layers.append(nn.Sequential(first, *rest))
            c_in = self.channels[4 * 2**number] = 4 * width
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features}, stage by stage."""
        x = functional.relu(self.norm(self.conv(images)))
        x = functional.max_pool2d(pad_same(x, 3, 2), 3, 2)  # nothing is below the zeros around it
        maps = {}
        for stride, stage in zip(self.channels, self.layers, strict=True):
            x = maps[stride] = stage(x)
        return maps

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The convolution with its norm, then the stages."""
        later = [(f"layers.{number}",) for number in range(len(self.layers))]
        return (("conv", "norm"), *later)
