"""EfficientNet B0 to B7: https://arxiv.org/abs/1905.11946.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
A baseline of inverted bottlenecks with squeeze-excitation (table 1) is made wider and deeper by
two coefficients, and its pictures larger (section 3.3). The paper does not list the coefficients of
B1 to B7; those here are of the authors' code (tensorflow/tpu, models/official/efficientnet), as are
the rounding of channels and layers, the rates of dropout and stochastic depth and the starting
values of the convolutions.

The arithmetic is torchvision's, and parameters carry its names, so that its weights load
unchanged: convolutions of stride 2 are padded alike on all sides, where the authors' pad more at
the right and bottom ("SAME"); batch norm has torch's eps of 1e-5 and momentum of 0.1 in B0 to B4,
the authors' 1e-3 and 0.01 in B5 to B7. The weights that the authors published (timm's
tf_efficientnet_*) have as many parameters and other arithmetic, and are therefore not offered.
Starting values differ from torchvision's in two points. It draws depthwise filters as if each
channel met the outputs of all, so that they start far smaller than the authors'. And the linear
layer starts as in every classifier here, not in a range of 1 / sqrt(classes): for 1000 classes
that is the same size, for two it would be logits of several units before the first step.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded up}, stride 2, 4, 8, 16, 32
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from manako.errors import UnknownName
from manako.models.layers.depthwise import DepthwiseConv2d
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.places import mean_of_places
from manako.models.layers.scaling import checked, deepened, scaled_channels
from manako.models.layers.sizes import refuse_small
from manako.models.layers.stochastic_depth import StochasticDepth, rising_rates


@dataclass(frozen=True)
class Stage:
    """A row of table 1: so many `layers` of MBConv blocks, of which the first has the `stride`.

    Inside a block are `expansion` times its input's channels.
    """

    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


STEM_CHANNELS = 32
LAST_WIDENING = 4  # the last 1x1 convolution, from 320 channels to 1280
BASELINE = (
    Stage(expansion=1, kernel=3, stride=1, channels=16, layers=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, layers=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, layers=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, layers=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, layers=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, layers=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, layers=1),
)
"""B0, stages 2 to 8 of table 1."""


@dataclass(frozen=True)
class Variant:
    """How one of B0 to B7 is scaled and regularised.

    `width` multiplies channels and `depth` layers; `dropout` is that before the linear layer.
    """

    width: float
    depth: float
    dropout: float
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1


VARIANTS = {
    "b0": Variant(1.0, 1.0, 0.2),
    "b1": Variant(1.0, 1.1, 0.2),
    "b2": Variant(1.1, 1.2, 0.3),
    "b3": Variant(1.2, 1.4, 0.3),
    "b4": Variant(1.4, 1.8, 0.4),
    "b5": Variant(1.6, 2.2, 0.4, norm_eps=1e-3, norm_momentum=0.01),
    "b6": Variant(1.8, 2.6, 0.5, norm_eps=1e-3, norm_momentum=0.01),
    "b7": Variant(2.0, 3.1, 0.5, norm_eps=1e-3, norm_momentum=0.01),
}


def compound_scaling(width: float, depth: float) -> tuple[Stage, ...]:
    """The stages of the baseline with `width` times the channels and `depth` times the layers.

    >>> [stage.channels for stage in compound_scaling(width=1.1, depth=1.2)]  # B2
    [16, 24, 48, 88, 120, 208, 352]
    >>> [stage.layers for stage in compound_scaling(width=1.1, depth=1.2)]
    [2, 3, 3, 4, 4, 5, 2]
    """
    return tuple(
        replace(
            stage,
            channels=scaled_channels(stage.channels, width),
            layers=deepened([stage.layers], depth)[0],
        )
        for stage in BASELINE
    )


def conv_norm(c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, up to its stride, and its batch norm."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


def conv_norm_silu(c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """The same, and the nonlinearity."""
    return conv_norm(c_in, c_out, kernel, stride).append(nn.SiLU(inplace=True))


def depthwise_norm_silu(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """The same with one filter for each channel."""
    conv = DepthwiseConv2d(channels, kernel, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.SiLU(inplace=True))


class SqueezeExcitation(nn.Module):
    """Each channel times a factor in (0, 1) that depends on the means of all.

    Hu et al. 2018, https://arxiv.org/abs/1709.01507, with SiLU in place of ReLU.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> the same shape."""
        means = mean_of_places(x, keep=True)
        factors = self.fc2(self.activation(self.fc1(means))).sigmoid()
        return x * factors  # type: ignore[no-any-return]


class MBConv(nn.Module):
    """An inverted bottleneck: expand, filter each channel, squeeze-excite, project.

    Where shapes agree, the input is added, and `rate` is that of stochastic depth. The squeeze is
    to a quarter of the input's channels, not of those inside.
    """

    def __init__(
        self, c_in: int, c_out: int, *, expansion: int, kernel: int, stride: int, rate: float
    ) -> None:
        super().__init__()
        inner = expansion * c_in
        expand = [] if expansion == 1 else [conv_norm_silu(c_in, inner)]
        self.block = nn.Sequential(
            *expand,
            depthwise_norm_silu(inner, kernel, stride),
            SqueezeExcitation(inner, max(1, c_in // 4)),
            conv_norm(inner, c_out),
        )
        self.has_shortcut = stride == 1 and c_in == c_out
        self.stochastic_depth = StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride]."""
        y: Tensor = self.block(x)
        if self.has_shortcut:
            y = self.stochastic_depth(y)
            y += x  # in place: nothing before needs its output again
        return y


class EfficientNet(nn.Module):
    """A 3x3 stem of stride 2, seven stages of MBConv blocks, a last 1x1 convolution (table 1).

    `stochastic_depth` is the rate at which a block after the last would be left out: it rises
    from 0 in equal steps. The deepest map is that of the last convolution, the other maps are
    the sums that the blocks give, without a nonlinearity.

    >>> EfficientNet(width=1.0, depth=1.0).channels
    {2: 16, 4: 24, 8: 40, 16: 112, 32: 1280}
    """

    first_convolution = "features.0.0.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self,
        width: float,
        depth: float,
        in_channels: int = 3,
        *,
        stochastic_depth: float = 0.2,
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        stages = compound_scaling(width, depth)
        c2, c4, c8, _, c16, _, c32 = (stage.channels for stage in stages)
        self.channels = {2: c2, 4: c4, 8: c8, 16: c16, 32: LAST_WIDENING * c32}
        stem = scaled_channels(STEM_CHANNELS, width)
        self.features = nn.Sequential(
            conv_norm_silu(in_channels, stem, 3, stride=2),
            *_mbconv_stages(stem, stages, stochastic_depth),
            conv_norm_silu(c32, LAST_WIDENING * c32),
        )
        kaiming_normal(self)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps, layer.momentum = norm_eps, norm_momentum

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 2 to 32. Raises ShapeError below `least_side`."""
        refuse_small("this EfficientNet", images, self.least_side)
        stem, stage1, stage2, stage3, stage4, stage5, stage6, stage7, last = self.features
        f2 = stage1(stem(images))
        f4 = stage2(f2)
        f8 = stage3(f4)
        f16 = stage5(stage4(f8))
        f32 = last(stage7(stage6(f16)))
        return {2: f2, 4: f4, 8: f8, 16: f16, 32: f32}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The nine of table 1, the last without the linear layer."""
        return tuple((f"features.{index}",) for index in range(len(self.features)))


def efficientnet(
    name: str,
    in_channels: int = 3,
    *,
    stochastic_depth: float = 0.2,
    width_factor: float = 1.0,
    depth_factor: float = 1.0,
) -> EfficientNet:
    """One of `VARIANTS` by its name there, or so many times as wide and as deep.

    Raises UnknownName for another name.
    """
    if name not in VARIANTS:
        raise UnknownName("EfficientNet", name, VARIANTS)
    variant = VARIANTS[name]
    return EfficientNet(
        variant.width * checked(width_factor),
        variant.depth * checked(depth_factor),
        in_channels,
        stochastic_depth=stochastic_depth,
        norm_eps=variant.norm_eps,
        norm_momentum=variant.norm_momentum,
    )


def _mbconv_stages(
    c_in: int, stages: tuple[Stage, ...], stochastic_depth: float
) -> list[nn.Sequential]:
    blocks = sum(stage.layers for stage in stages)
    rates = iter(rising_rates(stochastic_depth, blocks + 1))
    made = []
    for stage in stages:
        row = nn.Sequential()
        for index in range(stage.layers):
            row.append(
                MBConv(
                    c_in,
                    stage.channels,
                    expansion=stage.expansion,
                    kernel=stage.kernel,
                    stride=stage.stride if index == 0 else 1,
                    rate=next(rates),
                )
            )
            c_in = stage.channels
        made.append(row)
    return made
