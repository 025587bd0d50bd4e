"""Transforms that change colours and move nothing.

The arithmetic is that of torchvision's `adjust_*` functions, in float32 with one rounding at the
end. It is written out here because importing torchvision takes 1.7 s, in every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from manako.data.randomness import Draws
from manako.errors import UsageError
from manako.structures import Sample


@dataclass(frozen=True)
class ColourJitter:
    """Brightness, contrast, saturation and hue changed at random, in this order.

    The first three are factors drawn from 1 - strength to 1 + strength (never below 0); `hue` is
    a turn drawn from -hue to +hue, where 1 is the whole circle. A grey picture has neither
    saturation nor hue and keeps both.
    """

    draws: ClassVar[int] = 4
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} {getattr(self, name)} is below 0")
        if not 0 <= self.hue <= 0.5:
            raise UsageError(f"hue {self.hue} cannot be used", expected="0 to 0.5")

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes four numbers: brightness, contrast, saturation, hue."""
        brightness, contrast, saturation = (
            draws.uniform(max(0.0, 1 - strength), 1 + strength)
            for strength in (self.brightness, self.contrast, self.saturation)
        )
        hue = draws.uniform(-self.hue, self.hue)
        levels = with_brightness(sample.image.to(torch.float32), brightness)
        levels = with_contrast(levels, contrast)
        if len(levels) == 3:
            levels = with_hue(with_saturation(levels, saturation), hue)
        image = levels.round_().to(torch.uint8)
        return Sample(image, sample.target, sample.name)


def with_brightness(levels: Tensor, factor: float) -> Tensor:
    """Levels [C, H, W] in 0..255, each times `factor`."""
    return (levels * factor).clamp_(0, 255)


def with_contrast(levels: Tensor, factor: float) -> Tensor:
    """The distance of each level from the picture's mean brightness, times `factor`."""
    return _away_from(_brightness(levels).mean(), levels, factor)


def with_saturation(levels: Tensor, factor: float) -> Tensor:
    """The distance of each RGB level from its pixel's brightness, times `factor`."""
    return _away_from(_brightness(levels), levels, factor)


def with_hue(levels: Tensor, turn: float) -> Tensor:
    """Hues of an RGB picture turned by `turn` of the circle, in HSV space."""
    if turn == 0:
        return levels
    from torchvision.transforms.v2.functional import adjust_hue_image

    turned: Tensor = adjust_hue_image(levels / 255, turn)
    return turned * 255


def with_sharpness(levels: Tensor, factor: float) -> Tensor:
    """The distance of each level from a smoothed picture, times `factor`.

    The smoothing weighs a pixel by 5/13 and each of its eight neighbours by 1/13. Pixels of the
    border lack neighbours and stay as they are.
    """
    if min(levels.shape[1:]) < 3:
        return levels
    sharpened = levels.clone()
    inner = levels[:, 1:-1, 1:-1]
    rows = levels[:, :-2] + levels[:, 1:-1] + levels[:, 2:]
    nine = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    smooth = nine.add_(inner, alpha=4).div_(13)
    sharpened[:, 1:-1, 1:-1] = _away_from(smooth, inner, factor)
    return sharpened


def _brightness(levels: Tensor) -> Tensor:
    """[1, H, W], with the weights of ITU-R 601-2 for RGB."""
    if len(levels) == 1:
        return levels
    red, green, blue = levels.unbind()
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)[None]


def _away_from(middle: Tensor, levels: Tensor, factor: float) -> Tensor:
    return (levels * factor).add_(middle, alpha=1 - factor).clamp_(0, 255)
