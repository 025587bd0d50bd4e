"""The Vision Transformer: https://arxiv.org/abs/2010.11929 (Dosovitskiy et al., ICLR 2021).

A picture is cut into patches, each patch becomes a token by a linear map, and a Transformer
encoder of the usual form (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762) lets every token
attend to every other (section 3.1, equations 1 to 4). Shapes are those of table 1 and, tiny and
small, of Touvron et al. 2021 ("DeiT", https://arxiv.org/abs/2012.12877, table 1).

What differs from the paper: GELU is the exact one, as in torchvision, timm and transformers (the
paper's code approximates it by tanh); there is no hidden layer in the head, which the paper has
while pre-training only; a picture of another size gets position embeddings by bicubic
interpolation at every call, as in timm with `dynamic_img_size` (section 3.2 does so once, before
fine-tuning; torchvision does so while loading, with its corners aligned). Values start as in
torchvision: position embeddings N(0, 0.02), patches by their fan-in, a head of zeros.

Weights of torchvision, timm and transformers load; their names are in `models/foreign`.
torchvision's and timm's networks have LayerNorms with eps 1e-6, as ours have unless told; the
default of transformers, with which most of its files were published, is 1e-12: give `eps=1e-12`
for exactly its values.

Shapes: B pictures, C channels, D = width, N tokens: the class token, if any, before h * w patches.
    images    [B, C, H, W], H = h * stride, W = w * stride
    tokens    [B, N, D]
    features  {stride: [B, D, h, w]} from the patches' tokens after the last norm
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.errors import UsageError
from manako.models.backbones.vit_stem import ResNetStem
from manako.models.layers.dropout import Dropout
from manako.models.layers.sizes import refuse_uneven
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates
from manako.models.protocols import ClassRows
from manako.models.stages import inside


class Shape(NamedTuple):
    """A row of table 1; a hidden layer of the MLPs is always four times as wide."""

    width: int
    depth: int
    heads: int


TINY, SMALL = Shape(192, 12, 3), Shape(384, 12, 6)
BASE, LARGE, HUGE = Shape(768, 12, 12), Shape(1024, 24, 16), Shape(1280, 32, 16)


class Attention(nn.Module):
    """Every token asks every token (appendix A). [B, N, D] -> [B, N, D].

    Query, key and value maps are one matrix, row block after row block in this order, and inside
    of each head after head.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Sums of values, weighted by softmax(query · key / sqrt(D / heads)), head by head."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # [B, N, 3, heads, D / heads]
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()  # each [B, heads, N, D / heads]
        y = functional.scaled_dot_product_attention(query, key, value)
        return self.dropout(self.proj(y.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Two linear layers with a GELU between them, token by token. [.., D] -> [.., D]."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.dropout = Dropout(dropout)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        hidden = self.dropout(functional.gelu(self.fc1(x)))
        return self.dropout(self.fc2(hidden))  # type: ignore[no-any-return]


Norm = Literal["pre", "post"]


class Block(nn.Module):
    """Attention and MLP, each beside a shortcut. [B, N, D] -> [B, N, D].

    `norm="pre"` normalises what enters a branch (equations 2 and 3), `"post"` the sum that leaves
    it (Vaswani et al. 2017, section 3.1). `stochastic_depth` is the rate at which a branch is left
    out in training, each of the two by a coin of its own.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        norm: Norm = "pre",
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.is_pre_norm = norm == "pre"
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        if self.is_pre_norm:
            x = x + self.stochastic_depth(self.attention(self.norm1(x)))
            return x + self.stochastic_depth(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]
        x = self.norm1(x + self.stochastic_depth(self.attention(x)))
        return self.norm2(x + self.stochastic_depth(self.mlp(x)))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """The blocks and, where they do not end in one, a last norm. [B, N, D] -> [B, N, D].

    `dropout` acts on the tokens that enter and behind every linear layer but queries, keys and
    values (appendix B.1). `stochastic_depth` is the rate of the last block; it rises from 0 in
    equal steps. Raises UsageError for values that cannot be.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        norm: Norm = "pre",
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise UsageError(f"{shape.width} channels cannot be shared by {shape.heads} heads")
        if eps <= 0:
            raise UsageError(f"the eps of a LayerNorm must be above 0, not {eps}")
        self.width = shape.width
        self.dropout = Dropout(dropout)
        self.blocks = nn.Sequential(
            *(
                Block(
                    shape.width,
                    shape.heads,
                    norm=norm,
                    dropout=dropout,
                    stochastic_depth=rate,
                    eps=eps,
                )
                for rate in rising_rates(stochastic_depth, shape.depth)
            )
        )
        self.norm = nn.LayerNorm(shape.width, eps=eps) if norm == "pre" else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """As the class says."""
        return self.norm(self.blocks(self.dropout(tokens)))  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Block by block, the last with the last norm."""
        *first, last = (f"blocks.{number}" for number in range(len(self.blocks)))
        return (*((name,) for name in first), (last, "norm"))


class Tokens(nn.Module):
    """Patches in a row, a class token before them, position embeddings added (equation 1).

    [B, D, h, w] -> [B, N, D]. `grid_hw` is the number of patches that the position embeddings
    are made for; for others they are interpolated. The class token has one, too, which stays.
    """

    def __init__(self, grid_hw: tuple[int, int], width: int, *, class_token: bool = True) -> None:
        super().__init__()
        self.grid_hw = grid_hw
        self.class_token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        count = grid_hw[0] * grid_hw[1] + class_token
        self.positions = nn.Parameter(torch.empty(1, count, width).normal_(std=0.02))

    def forward(self, patches: Tensor) -> Tensor:
        """As the class says."""
        height, width = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2)
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], 1)
        return tokens + self.positions_for((height, width))

    def positions_for(self, grid_hw: tuple[int, int]) -> Tensor:
        """The position embeddings [1, N, D] for so many patches."""
        if grid_hw == self.grid_hw:
            return self.positions
        places = self.grid_hw[0] * self.grid_hw[1]
        of_class, of_places = self.positions[:, :-places], self.positions[:, -places:]
        down, across = (
            resampling(old, new, of_places) for old, new in zip(self.grid_hw, grid_hw, strict=True)
        )
        grid = of_places.reshape(1, *self.grid_hw, -1)
        grid = torch.einsum("ph,qw,nhwd->npqd", down, across, grid)
        return torch.cat([of_class, grid.flatten(1, 2)], 1)


def resampling(old: int, new: int, like: Tensor) -> Tensor:
    """The matrix [new, old] that brings a row of `old` values to `new` ones, with `like`'s type.

    Bicubic with antialiasing, what `interpolate` does along one side. A product with a matrix has
    a deterministic gradient on every device; that of `interpolate` has none on CUDA.
    """
    exact = torch.promote_types(like.dtype, torch.float32)
    identity = torch.eye(old, dtype=exact, device=like.device)[None, None]
    rows = functional.interpolate(identity, (new, old), mode="bicubic", antialias=True)
    return rows[0, 0].to(like.dtype)


class ViT(nn.Module):
    """The backbone: patches, tokens, encoder.

    `size` is the side in pixels of the pictures that the position embeddings are made for; any
    height and width that are multiples of the stride can be used. `patch` is the side of a patch:
    of the picture or, in the hybrid form, of the deepest map of `stem` (section 3.1, "Hybrid
    Architecture"), whose finer maps are features, too. Without a class token, positions are
    those of the patches alone. Raises UsageError for a size that is no multiple of the stride.

    >>> ViT(Encoder(Shape(width=32, depth=2, heads=4)), size=32, patch=8).channels
    {8: 32}
    """

    def __init__(
        self,
        encoder: Encoder,
        in_channels: int = 3,
        *,
        size: int = 224,
        patch: int = 16,
        class_token: bool = True,
        stem: ResNetStem | None = None,
    ) -> None:
        super().__init__()
        finer = {1: in_channels} if stem is None else stem.channels
        self.stride: int = max(finer) * patch
        if patch < 1 or size < 1 or size % self.stride:
            raise UsageError(
                f"pictures of {size} pixels cannot be cut into patches of {self.stride}",
                expected="a size that is a multiple of the patch",
            )
        self.channels = ({} if stem is None else finer) | {self.stride: encoder.width}
        self.least_side = self.stride  # one patch
        self.first_convolution = "patches.weight" if stem is None else "stem.conv.weight"
        self.stem = stem
        self.patches = nn.Conv2d(finer[max(finer)], encoder.width, patch, stride=patch)
        side = size // self.stride
        self.tokens = Tokens((side, side), encoder.width, class_token=class_token)
        self.encoder = encoder
        nn.init.trunc_normal_(self.patches.weight, std=self.patches.weight[0].numel() ** -0.5)
        if self.patches.bias is not None:
            nn.init.zeros_(self.patches.bias)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features}: of the stem, where there is one, and of the patches' tokens."""
        return self.encode(images)[0]

    def encode(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """The features, and all tokens [B, N, D] after the last norm.

        Raises ShapeError where height or width is no multiple of the stride.
        """
        refuse_uneven("this Vision Transformer", images, self.stride)
        maps: dict[int, Tensor] = {} if self.stem is None else self.stem(images)
        patches = self.patches(maps[max(maps)] if maps else images)  # [B, D, h, w]
        tokens = self.encoder(self.tokens(patches))
        grid_hw = patches.shape[2:]
        of_patches = tokens[:, -grid_hw.numel() :].transpose(1, 2).unflatten(2, grid_hw)
        return maps | {self.stride: of_patches}, tokens

    @property
    def receptive_field(self) -> int | None:
        """All of the picture: every token asks all others."""
        return None

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the stem, patches and tokens, then block by block."""
        stem = () if self.stem is None else inside("stem", self.stem.stages())
        return (*stem, ("patches", "tokens"), *inside("encoder", self.encoder.stages()))


class ViTClassifier(nn.Module):
    """images [B, C, H, W] -> logits [B, K]: a linear layer on the class token (equation 4).

    Where the backbone has no class token, on the mean of the patches' tokens (appendix D.3).

    >>> model = ViTClassifier(ViT(Encoder(Shape(32, 2, 4)), size=32, patch=8), num_classes=10)
    >>> model(torch.zeros(1, 3, 24, 40)).shape
    torch.Size([1, 10])
    """

    def __init__(self, backbone: ViT, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.encoder.width, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def size_multiple(self) -> int:
        """The side of a patch."""
        return self.backbone.stride

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        _, tokens = self.backbone.encode(images)
        has_class_token = self.backbone.tokens.class_token is not None
        return self.head(tokens[:, 0] if has_class_token else tokens.mean(1))  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, then the head."""
        return (*inside("backbone", self.backbone.stages()), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The head has one row for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}
