"""SSD, a single-shot detector on any backbone: https://arxiv.org/abs/1512.02325 (Liu et al. 2016).

What differs from the paper: the backbone is free (the paper: VGG-16 with a layer that normalises
its first map); extra levels have batch norm and halve the size with padding, whatever it is;
anchors have one size for each stride instead of a table in shares of the picture; see `SSDHead`
for the start of the biases.

Shapes: images [B, C, H, W]; raw output `AnchorRaw` with A anchors, K classes and a background.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.heads.ssd import SSDHead
from manako.models.layers.initialise import kaiming_normal
from manako.models.protocols import Backbone, ClassRows
from manako.models.stages import inside
from manako.ops.anchors import grid_anchors
from manako.structures import AnchorRaw

LEAST_STRIDE = 8
LEAST_LEVELS = 4
EXTRA_CHANNELS = 256
SIZES_REMEMBERED = 16


class ExtraLevel(nn.Module):
    """1x1 convolution to half the channels, then 3x3 with stride 2; a norm and ReLU after each.

    [B, c_in, H, W] -> [B, c_out, H / 2, W / 2], rounded up.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(c_in, c_out // 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out // 2)
        self.conv = nn.Conv2d(c_out // 2, c_out, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size."""
        x = self.relu(self.bn1(self.reduce(x)))
        return self.relu(self.bn2(self.conv(x)))  # type: ignore[no-any-return]


class SSD(nn.Module):
    """The backbone's maps of stride 8 and more, extra levels until there are four, and the head.

    A backbone with smaller strides only gives all of its maps. `strides` lists the levels.
    Anchors of a level of stride t: squares of side s = `size_factor` * t and of side
    sqrt(s * s_next), s_next being the side of the next level, and boxes of s * s pixels with the
    ratios of width to height 2 and 1/2, with `wide_ratios` also 3 and 1/3.

    Raises UsageError for a `size_factor` that is not positive.
    """

    size_multiple = 1

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        size_factor: float = 3.0,
        wide_ratios: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < size_factor < math.inf:
            raise UsageError(f"size_factor must be above 0, not {size_factor}")
        self.backbone = backbone
        own = sorted(stride for stride in backbone.channels if stride >= LEAST_STRIDE)
        self.own_strides = own or sorted(backbone.channels)
        channels = [backbone.channels[stride] for stride in self.own_strides]
        self.strides = list(self.own_strides)
        self.extras = nn.ModuleList()
        while len(self.strides) < LEAST_LEVELS:
            self.extras.append(ExtraLevel(channels[-1], EXTRA_CHANNELS))
            self.strides.append(2 * self.strides[-1])
            channels.append(EXTRA_CHANNELS)
        kaiming_normal(self.extras)
        self.shapes_wh = _shapes_wh(self.strides, size_factor, wide_ratios)
        self.head = SSDHead(channels, num_classes, anchors_per_cell=len(self.shapes_wh[0]))
        # Not a buffer: it follows from the input size and has no place in a file of weights.
        self._anchors: dict[tuple[object, ...], Tensor] = {}

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> AnchorRaw:
        """Class logits, offsets and anchors, all float32."""
        maps = self.maps(images)
        class_logits, offsets = self.head(maps)
        return AnchorRaw(class_logits.float(), offsets.float(), self.anchors_xyxy(maps))

    def maps(self, images: Tensor) -> list[Tensor]:
        """The feature maps that the head sees, one for each of `strides`."""
        features = self.backbone(images)
        maps = [features[stride] for stride in self.own_strides]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def anchors_xyxy(self, maps: list[Tensor]) -> Tensor:
        """Anchors [A, 4] in pixels of the input, on the device of `maps`; kept for each size."""
        sizes_hw = tuple((x.shape[-2], x.shape[-1]) for x in maps)
        key = (*sizes_hw, maps[0].device)
        if key not in self._anchors:
            if len(self._anchors) >= SIZES_REMEMBERED:
                self._anchors.clear()
            # Anchors first made while predicting are used in training too, which torch forbids
            # for tensors that were made in inference mode.
            with torch.inference_mode(False):
                levels = zip(sizes_hw, self.strides, self.shapes_wh, strict=True)
                anchors = torch.cat([grid_anchors(hw, t, shapes) for hw, t, shapes in levels])
                self._anchors[key] = anchors.to(maps[0].device)
        return self._anchors[key]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, then the extra levels with the head."""
        return (*inside("backbone", self.backbone.stages()), ("extras", "head"))

    def class_rows(self) -> dict[str, ClassRows]:
        """The class convolutions of the head."""
        return {f"head.{name}": rows for name, rows in self.head.class_rows().items()}


def _shapes_wh(
    strides: list[int], size_factor: float, wide_ratios: bool
) -> list[list[tuple[float, float]]]:
    """Width and height in pixels of the anchors of each level."""
    sides = [size_factor * stride for stride in (*strides, 2 * strides[-1])]
    ratios = (1.0, 2.0, 1 / 2, 3.0, 1 / 3) if wide_ratios else (1.0, 2.0, 1 / 2)
    shapes = []
    for side, following in pairwise(sides):
        between = math.sqrt(side * following)
        level = [(side * math.sqrt(ratio), side / math.sqrt(ratio)) for ratio in ratios]
        shapes.append([*level, (between, between)])
    return shapes
