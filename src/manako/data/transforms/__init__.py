"""Transforms of training: a picture changed at random, its truth changed with it."""

from manako.data.transforms.affine import RandomAffine
from manako.data.transforms.colour import ColourJitter
from manako.data.transforms.mixing import Mixing
from manako.data.transforms.moves import (
    AlternatingFlip,
    HorizontalFlip,
    PadAndCrop,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.data.transforms.noise import GaussianNoise, RandomErasing
from manako.data.transforms.operations import AutoAugment, RandAugment
from manako.data.transforms.pipeline import Pipeline, Transform
from manako.data.transforms.presets import augmentation

__all__ = [
    "AlternatingFlip",
    "AutoAugment",
    "ColourJitter",
    "GaussianNoise",
    "HorizontalFlip",
    "Mixing",
    "PadAndCrop",
    "Pipeline",
    "RandAugment",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "Resize",
    "ScaleAndCrop",
    "Transform",
    "VerticalFlip",
    "augmentation",
]
