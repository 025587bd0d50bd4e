"""MetaFormer and PoolFormer: https://arxiv.org/abs/2111.11418 (Yu et al., CVPR 2022).

"MetaFormer is Actually What You Need for Vision": a transformer whose attention may be replaced
by any mixer of tokens. PoolFormer is the one whose mixer is an average pooling, without a weight
(section 3, figure 2, table 1); `metaformer_s12` lets the mixer be chosen, as the ablation does.

The networks follow the code of the authors (sail-sg/poolformer), which settles what the paper
leaves open:
  * pooling subtracts its input, which the residual path adds again, and divides by the number of
    pixels inside the map, not by nine;
  * the norm is a group norm of one group: over channels and pixels of a picture together;
  * the last norm comes before the mean over pixels, in `Classifier.map_norm`. timm takes the mean
    first and then a layer norm: its maps are equal to ours, its logits are not, though they come
    from the same file; transformers' are equal throughout;
  * layer scale starts at 1e-5 in S12 and S24, at 1e-6 in S36, M36 and M48;
  * linear layers and the 1x1 convolutions of a block start from a truncated normal of 0.02, the
    patch embeddings as torch makes a convolution.

Departures of the mixers other than pooling: attention is in all four stages and has no position
embedding, so that pictures of any size fit (the authors' hybrids pool in the first stages, attend
in the others, and learn positions for one size), and the norm is the same for every mixer, so that
the networks differ in nothing else. The depthwise convolution is 3x3, as wide as the pooling, and
starts as torch makes it.

Parameter names are timm's, but for the four stages, which are `levels` here.

Shapes: B pictures, C channels, H x W pixels, N tokens, one for each pixel of a map.
    images    [B, C, H, W]
    features  {stride: [B, channels, about H / stride, about W / stride]}, stride 4, 8, 16, 32
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.errors import UsageError
from manako.models.layers.depthwise import DepthwiseConv2d
from manako.models.layers.initialise import truncated_normal
from manako.models.layers.sizes import refuse_small
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates

Mixer = Literal["pooling", "attention", "identity", "convolution"]
Widths = tuple[int, int, int, int]

SMALL: Widths = (64, 128, 320, 512)
MEDIUM: Widths = (96, 192, 384, 768)
HEAD_WIDTH = 32  # channels of one attention head


class Pooling(nn.Module):
    """The mean of the 3x3 pixels around each, less the pixel (equation 4)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False) - x


class Attention(nn.Module):
    """Self-attention among all pixels of a map, with heads of 32 channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        tokens = x.flatten(2).transpose(1, 2)  # [B, N, C]
        split = self.qkv(tokens).unflatten(2, (3, self.heads, HEAD_WIDTH))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each [B, heads, N, 32]
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        mixed = self.proj(mixed.transpose(1, 2).flatten(2))  # [B, N, C]
        return mixed.transpose(1, 2).unflatten(2, x.shape[2:])  # type: ignore[no-any-return]


def token_mixer(mixer: Mixer, width: int) -> nn.Module:
    """The part of a block that lets pixels see each other."""
    match mixer:
        case "pooling":
            return Pooling()
        case "attention":
            return Attention(width)
        case "identity":
            return nn.Identity()
        case "convolution":
            return DepthwiseConv2d(width, 3)


class LayerScale(nn.Module):
    """One learned factor for each channel: https://arxiv.org/abs/2103.17239."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        return x * self.scale[:, None, None]


class PixelMLP(nn.Module):
    """To four times the channels, GELU, and back, for each pixel by itself (equation 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.fc2 = nn.Conv2d(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same shape."""
        return self.fc2(functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Norm and mixer beside the input, then norm and MLP beside that (equations 2 and 3)."""

    def __init__(self, mixer: Mixer, width: int, rate: float, layer_scale: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, width)
        self.token_mixer = token_mixer(mixer, width)
        self.layer_scale1 = LayerScale(width, layer_scale)
        self.norm2 = nn.GroupNorm(1, width)
        self.mlp = PixelMLP(width)
        self.layer_scale2 = LayerScale(width, layer_scale)
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same shape."""
        x = x + self.stochastic_depth(self.layer_scale1(self.token_mixer(self.norm1(x))))
        x = x + self.stochastic_depth(self.layer_scale2(self.mlp(self.norm2(x))))
        return x


class Level(nn.Module):
    """A stage of the paper: overlapping patches make a coarser map, blocks work on it."""

    def __init__(self, embedding: nn.Conv2d, blocks: list[Block]) -> None:
        super().__init__()
        self.embedding = embedding
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H / stride, W / stride]."""
        return self.blocks(self.embedding(x))  # type: ignore[no-any-return]


class MetaFormer(nn.Module):
    """Four stages of `widths` channels with one mixer: 1/6, 1/6, 1/2 and 1/6 of all `blocks`.

    The names count the blocks (table 1). `stochastic_depth` is the rate of the last block, from 0
    in the first in equal steps; `layer_scale` is the value at which all layer scales start. Raises
    UsageError for a number of blocks that is no multiple of 6, and for attention where a width is
    no multiple of 32.

    >>> with torch.device("meta"):
    ...     MetaFormer(12, SMALL, mixer="attention").channels
    {4: 64, 8: 128, 16: 320, 32: 512}
    """

    first_convolution = "levels.0.embedding.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self,
        blocks: int,
        widths: Widths,
        in_channels: int = 3,
        *,
        mixer: Mixer = "pooling",
        stochastic_depth: float = 0.0,
        layer_scale: float = 1e-5,
    ) -> None:
        super().__init__()
        _refuse_sizes(blocks, widths, mixer)
        self.channels = dict(zip((4, 8, 16, 32), widths, strict=True))
        rates = iter(rising_rates(stochastic_depth, blocks))
        embeddings = [nn.Conv2d(in_channels, widths[0], 7, stride=4, padding=2)]
        for c_in, c_out in pairwise(widths):
            embeddings.append(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1))
        self.levels = nn.ModuleList()
        for embedding, width, share in zip(embeddings, widths, (6, 6, 2, 6), strict=True):
            row = [Block(mixer, width, next(rates), layer_scale) for _ in range(blocks // share)]
            self.levels.append(Level(embedding, row))
        for module in self.modules():
            if isinstance(module, Attention | PixelMLP):
                truncated_normal(module)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this MetaFormer", images, self.least_side)
        level1, level2, level3, level4 = self.levels
        f4 = level1(images)
        f8 = level2(f4)
        f16 = level3(f8)
        f32 = level4(f16)
        return {4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The first patch embedding, then the four stages."""
        return (
            ("levels.0.embedding",),
            ("levels.0.blocks",),
            ("levels.1",),
            ("levels.2",),
            ("levels.3",),
        )


def _refuse_sizes(blocks: int, widths: Widths, mixer: Mixer) -> None:
    if blocks < 6 or blocks % 6 != 0:
        raise UsageError(
            f"a MetaFormer cannot have {blocks} blocks", expected="a multiple of 6: 12, 24, 36, …"
        )
    if mixer == "attention" and any(width % HEAD_WIDTH for width in widths):
        raise UsageError(
            f"attention cannot have widths of {widths}",
            expected=f"multiples of {HEAD_WIDTH}, the channels of one head",
        )
