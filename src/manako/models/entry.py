"""What the table of models says of each: how it is made, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

Task = Literal["classification", "detection", "segmentation"]
TASKS: tuple[Task, ...] = ("classification", "detection", "segmentation")
Layout = Literal["torchvision", "timm", "transformers"]


@dataclass(frozen=True)
class Paper:
    """Where a model comes from; `arxiv` is the number, empty for papers that are not there."""

    title: str
    year: int
    arxiv: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    `build(num_classes=, in_channels=, **options)` makes the network; its other keyword-only
    parameters are the options. `params` counts all weights, frozen ones included, of the network
    with `num_classes` and `in_channels`; `size_hw` in pixels is what it is made for; `reference`
    is the public implementation or text that it follows; `layouts` are the libraries whose weight
    files fit.
    """

    build: Callable[..., nn.Module]
    task: Task
    paper: Paper
    params: int
    num_classes: int
    size_hw: tuple[int, int]
    reference: str
    in_channels: int = 3
    layouts: tuple[Layout, ...] = ()


def imagenet(
    build: Callable[..., nn.Module],
    paper: Paper,
    params: int,
    reference: str,
    *layouts: Layout,
    side: int = 224,
) -> Entry:
    """A classifier of ImageNet's 1,000 classes, for pictures of `side` pixels."""
    return Entry(build, "classification", paper, params, 1000, (side, side), reference, 3, layouts)


def cifar10(build: Callable[..., nn.Module], paper: Paper, params: int, reference: str) -> Entry:
    """A classifier of CIFAR-10's ten classes, for pictures of 32 pixels."""
    return Entry(build, "classification", paper, params, 10, (32, 32), reference)
