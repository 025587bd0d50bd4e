"""VGG: https://arxiv.org/abs/1409.1556 (Simonyan and Zisserman, ICLR 2015).

Five groups of 3x3 convolutions with max-pooling after each, and three fully connected layers
(table 1, columns A, B, D and E). As in torchvision, whose weights load by a table of names:

- There are also forms with a batch norm after every convolution (whose bias stays), which is
  younger than the paper.
- Weights start from Kaiming's normal distribution in convolutions and from N(0, 0.01) in linear
  layers. The paper starts deep networks from a trained shallow one, or from N(0, 0.1).
- Any size is taken: the last map is averaged into 7 x 7 bins, which is the identity at 224 pixels.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, H / stride, W / stride], rounded down}, stride 1, 2, 4, 8, 16,
              32: what goes into the five poolings, and what comes out of the last
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.initialise import kaiming_normal
from manako.models.layers.scaling import deepened, widened
from manako.models.layers.sizes import refuse_small

BINS = 7
WIDTHS = (64, 128, 256, 512, 512)
GROUPS = {
    11: (1, 1, 2, 2, 2),  # A
    13: (2, 2, 2, 2, 2),  # B
    16: (2, 2, 3, 3, 3),  # D
    19: (2, 2, 4, 4, 4),  # E
}
"""Convolutions in each group. With the three full layers they are as many as the name says."""


class VGG(nn.Module):
    """The convolutions and poolings, in a row called `features`.

    `depth` is 11, 13, 16 or 19; the factors multiply channels and the convolutions of each group.
    Raises UsageError for other values.

    >>> VGG(16).channels
    {1: 64, 2: 128, 4: 256, 8: 512, 16: 512, 32: 512}
    """

    first_convolution = "features.0.weight"
    least_side = 32  # one cell of the last map

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        *,
        batch_norm: bool = False,
        width_factor: float = 1.0,
        depth_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if depth not in GROUPS:
            raise UsageError(f"there is no VGG-{depth}", expected="a depth of 11, 13, 16 or 19")
        widths = [widened(width, width_factor) for width in WIDTHS]
        self.channels = dict(zip((1, 2, 4, 8, 16, 32), (*widths, widths[-1]), strict=True))
        layers: list[nn.Module] = []
        self.pools: list[int] = []  # places among the features
        c_in = in_channels
        for width, convolutions in zip(widths, deepened(GROUPS[depth], depth_factor), strict=True):
            for _ in range(convolutions):
                layers.append(nn.Conv2d(c_in, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                c_in = width
            self.pools.append(len(layers))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        kaiming_normal(self)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1 to 32. Raises ShapeError below `least_side`."""
        refuse_small("this VGG", images, self.least_side)
        found: list[Tensor] = []
        x = images
        for place, layer in enumerate(self.features):
            if place in self.pools:
                found.append(x)
            x = layer(x)
        return dict(zip(self.channels, (*found, x), strict=True))

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The five groups."""
        groups: list[list[str]] = [[]]
        for place, layer in enumerate(self.features):
            if place in self.pools:
                groups.append([])
            elif not isinstance(layer, nn.ReLU):
                groups[-1].append(f"features.{place}")
        return tuple(tuple(group) for group in groups[:-1])
