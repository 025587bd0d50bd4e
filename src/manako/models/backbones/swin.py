"""Swin Transformer: https://arxiv.org/abs/2103.14030 (Liu et al., ICCV 2021).

Patches become tokens; attention stays inside windows of 7 x 7 tokens, which are shifted by half a
window in every other block, so that neighbours meet; between stages, 2 x 2 tokens become one.

What the paper leaves to its code is as there and in torchvision: a layer norm follows the patch
embedding; a map that the windows do not cover is padded with zeros below and at the right after
the norm (the padding is not masked: it takes part as tokens whose key and value are the biases);
along a side that one window covers there is no shift. Pictures may have any size; as in
torchvision, rows and columns beyond the last whole patch are left out. What differs from both:
tokens of other regions are masked by minus infinity in place of -100; the index of relative
positions is no buffer but computed; and dropout, which the paper does not use, is offered before
the head only.

`swin_t_32` is our own form for pictures of 32 x 32 pixels, after "Vision Transformer for
Small-Size Datasets" (Lee et al. 2021, https://arxiv.org/abs/2112.13492) and its code: patches of
2 x 2, windows of 4 x 4, three stages of 2, 6 and 4 blocks, an MLP ratio of 2; it leaves out the
absolute position embedding that they add, so that it takes other sizes too.

Parameters have torchvision's names but for `proj`, `norm` of the patch embedding and the second
layer of an MLP.

Shapes: B pictures, h x w tokens, C channels, M = `window`, heads of 32 channels.
    images    [B, C, H, W]
    tokens    [B, h, w, C]; in windows [B, windows, M * M, C]
    features  {stride: [B, channels, h, w]}, stride P, 2P, 4P, ... for patches of P x P pixels;
              h = H // P, then halves rounded up
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.errors import UsageError
from manako.models.classifier import Classifier
from manako.models.layers.channel_norm import ChannelNorm
from manako.models.layers.initialise import truncated_normal
from manako.models.layers.sizes import refuse_small
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates

HEAD_CHANNELS = 32  # section 3.3: in every head of every variant


@dataclass(frozen=True)
class Variant:
    """The arguments of a `SwinTransformer`."""

    width: int
    depths: tuple[int, ...]
    stochastic_depth: float
    window: int = 7
    patch: int = 4
    mlp_ratio: int = 4


VARIANTS = {  # table 7, and the rates of the authors' training on ImageNet-1K; the last is ours
    "swin_t": Variant(96, (2, 2, 6, 2), 0.2),
    "swin_s": Variant(96, (2, 2, 18, 2), 0.3),
    "swin_b": Variant(128, (2, 2, 18, 2), 0.5),
    "swin_t_32": Variant(96, (2, 6, 4), 0.1, window=4, patch=2, mlp_ratio=2),
}


class Windows:
    """How maps of the size of `tokens` are cut into windows of `side` x `side` tokens.

    Regular windows begin at the first token, shifted ones half a side later (figure 2). Those
    that then reach over the end are filled from the beginning, and `apart` says which tokens
    are no neighbours (figure 4).
    """

    def __init__(self, tokens: Tensor, side: int, *, shifted: bool) -> None:
        self.side = side
        self.size_hw = tokens.shape[1:3]
        self.padded_hw = tuple(-(-length // side) * side for length in self.size_hw)
        shift = side // 2 if shifted else 0
        self.shift_hw = tuple(shift if length > side else 0 for length in self.padded_hw)
        self.apart = self._apart(tokens.device) if any(self.shift_hw) else None

    def split(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, windows, M * M, C]."""
        (height, width), (padded_h, padded_w) = self.size_hw, self.padded_hw
        if (height, width) != (padded_h, padded_w):
            x = functional.pad(x, (0, 0, 0, padded_w - width, 0, padded_h - height))
        if any(self.shift_hw):
            x = x.roll(tuple(-shift for shift in self.shift_hw), (1, 2))
        return self._cut(x)

    def join(self, x: Tensor) -> Tensor:
        """The way back: [B, windows, M * M, C] -> [B, h, w, C]."""
        (height, width), (padded_h, padded_w) = self.size_hw, self.padded_hw
        batch, windows, _, channels = x.shape
        columns = padded_w // self.side
        x = x.reshape(batch, windows // columns, columns, self.side, self.side, channels)
        x = x.transpose(2, 3).reshape(batch, padded_h, padded_w, channels)
        if any(self.shift_hw):
            x = x.roll(self.shift_hw, (1, 2))
        return x[:, :height, :width]

    def _cut(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        rows, columns = height // self.side, width // self.side
        x = x.reshape(batch, rows, self.side, columns, self.side, channels)
        return x.transpose(2, 3).reshape(batch, rows * columns, self.side**2, channels)

    def _apart(self, device: torch.device) -> Tensor:
        """Whether two tokens of a window come from opposite ends of the map: [windows, 1, N, N]."""
        from_start = [
            torch.arange(length, device=device) >= length - shift
            for length, shift in zip(self.padded_hw, self.shift_hw, strict=True)
        ]
        regions = 2 * from_start[0][:, None] + from_start[1]
        inside = self._cut(regions[None, :, :, None]).squeeze((0, 3))
        return (inside[:, :, None] != inside[:, None, :])[:, None]


def relative_positions(side: int, device: torch.device | None = None) -> Tensor:
    """Rows of the bias table for every two tokens of a window: [side * side, side * side].

    There is one row for each step (down, right) from token to token, from -(side - 1) to side - 1.

    >>> relative_positions(2)[0].tolist(), relative_positions(2).diagonal().tolist()
    ([4, 3, 1, 0], [4, 4, 4, 4])
    """
    places = torch.arange(side, device=device)
    steps = places[:, None] - places + side - 1
    rows, columns = steps[:, None, :, None], steps[None, :, None, :]
    return (rows * (2 * side - 1) + columns).reshape(side * side, side * side)


class WindowAttention(nn.Module):
    """Softmax(Q K^T / sqrt(d) + B) V inside every window, for several heads (equation 4)."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.heads = width // HEAD_CHANNELS
        table = torch.empty((2 * window - 1) ** 2, self.heads)
        self.relative_position_bias_table = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, windows: Windows, positions: Tensor) -> Tensor:
        """[B, h, w, C] -> the same; `positions` are the `relative_positions` in a window."""
        qkv = self.qkv(windows.split(x)).unflatten(-1, (3, self.heads, HEAD_CHANNELS))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)  # each [B, windows, heads, M * M, 32]
        # Written out: on a CPU, scaled_dot_product_attention trains slower with a learned bias.
        similarity = q * HEAD_CHANNELS**-0.5 @ k.transpose(-2, -1) + self.bias(windows, positions)
        attended = similarity.softmax(-1) @ v
        return windows.join(self.proj(attended.transpose(2, 3).flatten(3)))

    def bias(self, windows: Windows, positions: Tensor) -> Tensor:
        """B of equation 4, [heads, N, N]; with minus infinity between tokens that are apart.

        Those differ from window to window: [windows, heads, N, N].
        """
        # Not `table[positions]`: threads would sum its gradient in an order of their own.
        table = functional.embedding(positions, self.relative_position_bias_table)
        bias = table.permute(2, 0, 1)
        return bias if windows.apart is None else bias.masked_fill(windows.apart, -torch.inf)


class Block(nn.Module):
    """Attention inside windows, then an MLP, each a branch behind its norm (figure 3b)."""

    def __init__(self, width: int, window: int, mlp_ratio: int, rate: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor, windows: Windows, positions: Tensor) -> Tensor:
        """[B, h, w, C] -> the same (equation 3)."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x), windows, positions))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class Stage(nn.ModuleList):
    """Blocks at one resolution, with regular and shifted windows by turns."""

    def __init__(self, width: int, window: int, mlp_ratio: int, rates: Sequence[float]) -> None:
        super().__init__(Block(width, window, mlp_ratio, rate) for rate in rates)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> the same."""
        positions = relative_positions(self.window, x.device)
        windows = [Windows(x, self.window, shifted=one) for one in (False, True)[: len(self)]]
        for number, block in enumerate(self):
            x = block(x, windows[number % 2], positions)
        return x


class PatchEmbedding(nn.Module):
    """Each patch of `patch` x `patch` pixels becomes a token of `width` channels."""

    def __init__(self, in_channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.side = patch
        self.proj = nn.Conv2d(in_channels, width, patch, stride=patch)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, H // patch, W // patch, width]."""
        return self.norm(self.proj(images).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class PatchMerging(nn.Module):
    """2 x 2 tokens become one of twice the channels; an odd side is padded with zeros."""

    side = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, h / 2, w / 2, 2 * C], rounded up."""
        _, height, width, _ = x.shape
        x = functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        rows = x[:, 0::2], x[:, 1::2]
        # Down first, then right: the order of the published weights.
        corners = [row[:, :, column::2] for column in (0, 1) for row in rows]
        return self.reduction(self.norm(torch.cat(corners, -1)))  # type: ignore[no-any-return]


class SwinTransformer(nn.Module):
    """A patch embedding and stages of blocks, each of twice the channels of the last (figure 3a).

    `width` is the paper's C, the channels of the first stage; `depths` are the blocks of each
    stage; `window` is the side of a window in tokens, `patch` that of a patch in pixels;
    `stochastic_depth` is the rate of the last block, those before it rise from 0 to it. The maps
    have no norm behind them. Raises UsageError for what cannot be.

    >>> SwinTransformer(32, (2, 2), patch=2).channels
    {2: 32, 4: 64}
    """

    first_convolution = "features.0.proj.weight"

    def __init__(
        self,
        width: int,
        depths: Sequence[int],
        in_channels: int = 3,
        *,
        window: int = 7,
        patch: int = 4,
        mlp_ratio: int = 4,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        if min(window, patch) < 1 or width < 1 or width % HEAD_CHANNELS:
            raise UsageError(
                f"a Swin Transformer cannot have width={width}, window={window}, patch={patch}",
                expected=f"a multiple of {HEAD_CHANNELS}, and window and patch of 1 or more",
            )
        widths = [width * 2**number for number in range(len(depths))]
        self.channels = {patch * 2**number: one for number, one in enumerate(widths)}
        self.least_side = max(self.channels)  # one whole token of the deepest map
        self.window = window
        rates = iter(rising_rates(stochastic_depth, sum(depths)))
        self.features = nn.ModuleList()
        for number, (stage_width, depth) in enumerate(zip(widths, depths, strict=True)):
            self.features += [
                PatchMerging(widths[number - 1])
                if number
                else PatchEmbedding(in_channels, width, patch),
                Stage(stage_width, window, mlp_ratio, [next(rates) for _ in range(depth)]),
            ]
        # As its code and torchvision's, which leave the patch embedding to torch.
        truncated_normal(self.features[1:])

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features}, finest first. Raises ShapeError below `least_side`."""
        refuse_small("this Swin Transformer", images, self.least_side)
        x, maps = images, []
        for part in self.features:
            x = part(x)
            if isinstance(part, Stage):
                maps.append(x.permute(0, 3, 1, 2))
        return dict(zip(self.channels, maps, strict=True))

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The patch embedding, then the stages with the patch merging before them."""
        names = [f"features.{number}" for number in range(len(self.features))]
        later = zip(names[2::2], names[3::2], strict=True)
        return ((names[0],), (names[1],), *later)

    @property
    def receptive_field(self) -> int:
        """The side in pixels of what a unit of the deepest map can see of an endless picture.

        Where the unit stands in its window counts; this is the most that one sees.
        """
        return max(self._seen_by(unit) for unit in range(self.window))

    def _seen_by(self, unit: int) -> int:
        first = last = unit
        for part in reversed(self.features):
            if isinstance(part, Stage):
                for number in reversed(range(len(part))):
                    shift = self.window // 2 if number % 2 else 0
                    first = (first - shift) // self.window * self.window + shift
                    last = ((last - shift) // self.window + 1) * self.window + shift - 1
            elif isinstance(part, PatchEmbedding | PatchMerging):
                first, last = first * part.side, (last + 1) * part.side - 1
        return last - first + 1


def swin_classifier(
    backbone: SwinTransformer, num_classes: int, *, dropout: float = 0.0
) -> Classifier:
    """A layer norm on the deepest map, its mean, a linear layer (appendix A2.1)."""
    deepest = backbone.channels[max(backbone.channels)]
    model = Classifier(backbone, num_classes, map_norm=ChannelNorm(deepest), dropout=dropout)
    truncated_normal(model.head)
    return model
