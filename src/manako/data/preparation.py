"""How a picture becomes input of a network: the one path of validation and prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from manako.data.transforms.geometry import RULES, Rule, frame_of, lay
from manako.errors import ShapeError, UsageError
from manako.structures import Frame, Sample


@dataclass(frozen=True)
class Preparation:
    """Size, rule and normalisation of a network's input.

    `size_hw` is the input's height and width in pixels. By `rule` a picture is stretched to it,
    laid into it whole with grey around ("letterbox"), or its centre is taken ("crop"); see
    `frame_of`. `channels` is 3 for RGB, 1 for grey. `mean` and `std` have one value a channel, on
    the scale where white is 1.

    >>> Preparation((224, 224), "crop", 3, mean=(0.5,), std=(0.25,))
    Traceback (most recent call last):
    manako.errors.UsageError: mean has 1 value for 3 channels
    """

    size_hw: tuple[int, int]
    rule: Rule
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.size_hw) != 2 or min(self.size_hw) < 1:
            raise UsageError(f"size_hw {self.size_hw} cannot be used", expected="two sides from 1")
        if self.rule not in RULES:
            known = " or ".join(map(repr, RULES))
            raise UsageError(f"rule {self.rule!r} is not known", expected=known)
        if self.channels not in (1, 3):
            raise UsageError(f"{self.channels} channels cannot be used", expected="1 or 3")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                count = f"{len(values)} value" + ("" if len(values) == 1 else "s")
                raise UsageError(f"{name} has {count} for {self.channels} channels")
            if not all(math.isfinite(value) for value in values):
                raise UsageError(f"{name} {values} is not finite")
        if min(self.std) <= 0:
            raise UsageError(f"std {self.std} cannot be used", expected="values above 0")

    def prepare(self, image: Tensor) -> tuple[Tensor, Frame]:
        """An image uint8 [C, H, W] as input uint8 [C, *size_hw], and the way back."""
        sample, frame = self.prepare_sample(Sample(image, None, "the picture"))
        return sample.image, frame

    def prepare_sample(self, sample: Sample) -> tuple[Sample, Frame]:
        """As `prepare`; boxes and mask move into the input's pixels, too."""
        if sample.image.shape[0] != self.channels:
            raise ShapeError(
                f"{sample.name} has {sample.image.shape[0]} channels",
                expected=f"{self.channels}, as the network was trained",
            )
        frame = frame_of(sample.size_hw, self.size_hw, self.rule)
        return (sample if sample.size_hw == self.size_hw else lay(sample, frame)), frame

    def normalise(self, images: Tensor) -> Tensor:
        """Images uint8 [B, C, H, W] as float32, channels last: (x / 255 - mean) / std.

        Computed on the device where the images are.
        """
        if images.ndim != 4 or images.shape[1] != self.channels or images.dtype != torch.uint8:
            raise ShapeError(
                f"images are {images.dtype} of shape {tuple(images.shape)}",
                expected=f"torch.uint8 of shape (B, {self.channels}, H, W)",
            )
        # One multiplication and one addition a value, both in place, with factors that lie as the
        # values of a row do: three numbers repeated over the pixels take four times as long.
        mean, std = (torch.tensor(one, dtype=torch.float64) for one in (self.mean, self.std))
        width = images.shape[3]
        scale = _row(1 / (255 * std), width).to(images.device)
        shift = _row(-mean / std, width).to(images.device)
        levels = images.to(torch.float32, memory_format=torch.channels_last)
        return levels.mul_(scale).add_(shift)


def _row(values: Tensor, width: int) -> Tensor:
    """One value a channel as float32 [C, 1, `width`], channels last in memory."""
    return values.to(torch.float32).repeat(width).view(width, -1).T[:, None]
