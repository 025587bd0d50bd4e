"""Signals and volumes as pictures, for people."""

from __future__ import annotations

from itertools import pairwise

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

WIDTH, LANE, GAP = 480, 56, 6  # pixels: of a drawing, of the lane of each channel, between lanes
MOST_LANES = 8
INK, PAPER = (31, 90, 150), (255, 255, 255)
LEAST_SIDE = 160  # up to which spectrograms and slices are enlarged
MOST_SIDE = 1600  # beyond which moments are put together


def shown(image: Tensor) -> Tensor:
    """What stands for a sample: a picture itself, a signal drawn as curves, a volume cut open.

    uint8 [C, H, W], or float32 [C, *size] -> uint8 [1 or 3, H, W].
    """
    if image.dtype == torch.uint8:
        return image
    if image.ndim == 2:
        return _curves(image)
    if image.ndim == 3:
        return _levels(image[0].flip(0))  # the lowest band below
    volume = image[0]
    cuts = [volume.select(dim, volume.shape[dim] // 2) for dim in range(3)]
    height = max(cut.shape[0] for cut in cuts)
    beside = [functional.pad(cut, (0, 2, 0, height - cut.shape[0])) for cut in cuts]
    return _levels(torch.cat(beside, 1))


def _curves(signal: Tensor) -> Tensor:
    """A lane for each channel, from its lowest to its highest value."""
    lanes = signal[:MOST_LANES]
    height = len(lanes) * (LANE + GAP) + GAP
    drawing = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(drawing)
    for number, lane in enumerate(lanes):
        top = GAP + number * (LANE + GAP)
        low, high = float(lane.min()), float(lane.max())
        scale = (LANE - 1) / (high - low) if high > low else 0.0
        columns = torch.linspace(0, len(lane), WIDTH + 1).round().long().tolist()
        before = None
        for column, (first, last) in enumerate(pairwise(columns)):
            part = lane[min(first, len(lane) - 1) : max(last, first + 1)]
            span = [top + LANE - 1 - (float(one) - low) * scale for one in (part.max(), part.min())]
            if before is not None:  # no gap between neighbours
                span = [min(span[0], before[1]), max(span[1], before[0])]
            pen.line([(column, span[0]), (column, span[1])], fill=INK)
            before = span
    pixels = torch.frombuffer(bytearray(drawing.tobytes()), dtype=torch.uint8)
    return pixels.view(height, WIDTH, 3).permute(2, 0, 1)


def _levels(values: Tensor) -> Tensor:
    """Numbers as grey levels, from the lowest to the highest, enlarged by a whole factor."""
    height, width = (min(side, MOST_SIDE) for side in values.shape)
    values = functional.adaptive_avg_pool2d(values[None], (height, width))[0]
    low, high = values.min(), values.max()
    levels = ((values - low) / (high - low).clamp(min=1e-9) * 255).round().to(torch.uint8)
    factor = max(1, min(LEAST_SIDE // min(levels.shape), MOST_SIDE // max(levels.shape)))
    return levels.repeat_interleave(factor, 0).repeat_interleave(factor, 1)[None]
