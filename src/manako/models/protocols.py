"""What the rest of the house may ask of a model.

A *backbone* gives feature maps, a *whole model* the raw output of a task. They are ordinary
`torch.nn.Module`s that happen to have these members; there is no class to inherit from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


class Backbone(Protocol):
    """Pictures to feature maps.

    `backbone(images [B, C, H, W])` returns {stride: [B, channels[stride], about H / stride,
    about W / stride]} with the keys of `channels`, the finest map first.
    """

    @property
    def channels(self) -> Mapping[int, int]:
        """{stride in pixels: number of channels}."""

    @property
    def least_side(self) -> int:
        """The least height and width in pixels: smaller pictures are refused with ShapeError."""

    @property
    def first_convolution(self) -> str:
        """The name of the weight [out, C, h, w] that meets the pictures' channels."""

    def __call__(self, images: Tensor) -> dict[int, Tensor]:
        """The feature maps of `images`."""

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Names of its parts, stage by stage from the input on; see `Staged`."""


@dataclass(frozen=True)
class ClassRows:
    """Where the classes stand in a tensor whose first dimension counts them.

    The first dimension is `groups` x (`before` + K) rows: in every group come first `before` rows
    that belong to no class (a background), then one row for each of the K classes in order.

    >>> ClassRows(groups=4, before=1).classes(rows=84)
    20
    """

    groups: int = 1
    before: int = 0

    def classes(self, rows: int) -> int:
        """The number of classes K in a tensor of that many rows; -1 where it does not divide."""
        return rows // self.groups - self.before if rows % self.groups == 0 else -1


@runtime_checkable
class WholeModel(Protocol):
    """A model that can be trained for a task: its `forward` gives the raw output.

    `size_multiple`: height and width of the input must be multiples of it (1: any size).
    `least_side`: neither may be less. Other pictures are refused with ShapeError.
    """

    @property
    def size_multiple(self) -> int:
        """Pixels; see the class."""

    @property
    def least_side(self) -> int:
        """Pixels; see the class."""

    def class_rows(self) -> dict[str, ClassRows]:
        """The tensors whose shape depends on the number of classes, by name in the state dict."""


@runtime_checkable
class KnowsReceptiveField(Protocol):
    """A backbone of which attention or the like makes the receptive field hard to follow."""

    @property
    def receptive_field(self) -> int | None:
        """The side in pixels of the square that a unit of the deepest map can see, None if all."""


def backbone_of(model: nn.Module) -> Backbone | None:
    """What a model begins with, its tensors under `backbone.` in the state dict; None without one.

    No protocol tells it: from Python 3.12 on `isinstance` looks for members without calling
    `__getattr__`, by which modules find those that they hold.
    """
    return getattr(model, "backbone", None)


@runtime_checkable
class Staged(Protocol):
    """A model that says which of its parts come first: to freeze some, or to train them slower."""

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """For each stage, from the input to the head, the names of its modules; the head last.

        The names are prefixes of parameter names: `layer1` stands for `layer1.0.conv1.weight`.
        Every parameter and buffer of the model belongs to exactly one stage. The last stage holds
        what is made anew for another task; those before it, together, are what other weights can
        fill: the backbone of a classifier or detector, the contracting path of a U-Net.
        """


@runtime_checkable
class WithAuxiliary(Protocol):
    """A model with parts that only training needs, to which weight files are held less strictly."""

    @property
    def auxiliary_parts(self) -> tuple[str, ...]:
        """Names of those modules, also where its options have left them out.

        Weights that lack all of them fit, and the parts start fresh; weights that have them fit a
        model which was made without, too.
        """


@runtime_checkable
class FixedSize(Protocol):
    """A model that takes pictures of one size only."""

    @property
    def fixed_size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""


@runtime_checkable
class DataInitialised(Protocol):
    """A model whose start depends on the pictures it will see.

    A training loop calls `init_from_images` once: after the model is made, before the first step,
    and only where the weights were not loaded from somewhere. It needs no labels, must draw no
    random number, and must leave the set of trainable parameters as it is, so that an optimizer
    made before or after is the same.
    """

    def init_from_images(self, images: Tensor) -> None:
        """Set starting values from `images` float [N, C, H, W], normalised as in training."""
