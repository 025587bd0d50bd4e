"""Transforms of training: a picture changed at random, its truth changed with it."""

from manako.data.transforms.colour import ColourJitter
from manako.data.transforms.moves import (
    HorizontalFlip,
    PadAndCrop,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.data.transforms.pipeline import Pipeline, Transform
from manako.data.transforms.presets import augmentation

__all__ = [
    "ColourJitter",
    "HorizontalFlip",
    "PadAndCrop",
    "Pipeline",
    "RandomCrop",
    "RandomResizedCrop",
    "Resize",
    "ScaleAndCrop",
    "Transform",
    "VerticalFlip",
    "augmentation",
]
