"""How much of a picture one unit of a network can see.

The network is run without values, and for every unit of every map the first and last column of
the picture that it depends on is carried along, layer by layer. That is the usual recurrence (a
layer of kernel k adds (k - 1) times the stride so far), but exact where branches of different
depth meet, at odd sizes and in decoders. Kernels are square, so that columns tell all; after one
that is not, nothing is followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from manako.errors import ManakoError
from manako.models.protocols import KnowsReceptiveField, backbone_of
from manako.models.shapes_only import QuickNorms
from manako.models.visits import after_each_module

# Wide enough that the outer taps of no dilated layer fall beside the picture from everywhere.
_LEAST_WIDTH, _MOST_WIDTH = 2048, 8192
_NOTHING = np.iinfo(np.int64).max
_ENDS = {"permute", "transpose", "t"}  # rearrangements for a head: no map any more
_TO_END, _TO_FRONT = (0, 2, 3, 1), (0, 3, 1, 2)  # where a permutation brings the channels
# What layer norms, linear layers and activations of single pixels are made of.
_OF_PIXELS = {"native_layer_norm", "view", "_unsafe_view", "addmm", "mm", "gelu"}


class _FieldLostError(LookupError):
    """An operation, as those of attention, through which fields are not followed."""


@dataclass(frozen=True)
class Field:
    """What the units of a map see.

    `side` in pixels is that of the square which one unit sees, None for all of the picture;
    `stride` are the pixels between neighbouring units, None where there is but one.
    """

    side: int | None
    stride: int | None


@dataclass(frozen=True)
class _Seen:
    """For each column of a map the first and last column of the picture that it depends on.

    A column of padding alone sees nothing: `first` is then beyond every `last`.
    """

    first: np.ndarray[Any, np.dtype[np.int64]]
    last: np.ndarray[Any, np.dtype[np.int64]]
    picture_width: int

    def widest(self) -> tuple[int, int]:
        """First and last column of the unit that sees most; among equals the most central."""
        widths = self.last - self.first
        best = np.flatnonzero(widths == widths.max())
        unit = best[len(best) // 2]
        return int(self.first[unit]), int(self.last[unit])

    @property
    def stride(self) -> int | None:
        """The columns of the picture between neighbouring units, None for a single unit."""
        units = len(self.last)
        if units < 4:
            return None
        left, right = units // 4, units * 3 // 4  # far from the padding
        moved = int(self.last[right] - self.last[left])
        # After a mean over the picture all units see the same, and the sizes have to tell.
        return round(moved / (right - left) if moved else self.picture_width / units)

    def take(self, columns: slice) -> _Seen:
        """What a part of the columns sees."""
        return _Seen(self.first[columns], self.last[columns], self.picture_width)

    def gathered(self, taps: Iterator[tuple[Any, Any]], width: int) -> _Seen:
        """What a layer of `width` columns sees; `taps` are pairs (its columns, columns here)."""
        first = np.full(width, _NOTHING)
        last = np.full(width, -1)
        for to, seen in taps:
            first[to] = np.minimum(first[to], self.first[seen])  # one tap meets a column once
            last[to] = np.maximum(last[to], self.last[seen])
        return _Seen(first, last, self.picture_width)


def receptive_field(
    network: nn.Module,
    in_channels: int,
    *,
    dims: int = 2,
    multiple: int = 1,
    fixed_width: int | None = None,
) -> int | None:
    """The side in pixels of the square that a unit of the last map can see, None if all of it.

    The last map is the deepest of a classifier, the coarsest level of a detector and the logits
    of a segmentation network; where its units differ, the one that sees most counts. `network`
    is on torch's meta device and takes widths that are multiples of `multiple`, or `fixed_width`
    only. A backbone that knows its own is asked. `dims` is 1 for a network of signals, 3 for one of
    volumes.

    >>> with torch.device("meta"):
    ...     network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3))
    >>> receptive_field(network, in_channels=1)
    8
    """
    backbone = backbone_of(network)
    if isinstance(backbone, KnowsReceptiveField):
        return backbone.receptive_field
    width = fixed_width or -(-_LEAST_WIDTH // multiple) * multiple
    while True:
        first, last = _last_map(network, (in_channels, *(width,) * dims)).widest()
        touches = first == 0 or last == width - 1
        if fixed_width is not None or not touches:
            return last - first + 1
        if width >= _MOST_WIDTH:
            return None
        width *= 2


def fields_of_layers(
    network: nn.Module,
    in_channels: int,
    *,
    dims: int = 2,
    multiple: int = 1,
    fixed_width: int | None = None,
) -> dict[str, Field]:
    """What the units of each module's map see, by the name of the module.

    Modules that give no map are left out, and all that come after attention, after windows that
    are not square, and after a layer that takes maps of one size only. `dims` is 1 for a network of
    signals, 3 for one of volumes.

    >>> with torch.device("meta"):
    ...     network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3))
    >>> fields_of_layers(network, in_channels=1)["1"]
    Field(side=4, stride=2)
    """
    for width in (_LEAST_WIDTH, _MOST_WIDTH):
        width = fixed_width or -(-width // multiple) * multiple
        fields = _fields(network, torch.zeros(1, in_channels, *(width,) * dims, device="meta"))
        # A single unit, as after a mean over the picture, sees all of the widest, too.
        if fixed_width is not None or all(one.side or not one.stride for one in fields.values()):
            break
    return fields


def _fields(network: nn.Module, images: Tensor) -> dict[str, Field]:
    width = images.shape[-1]
    every = np.arange(width)
    tracker = _Tracker(images, _Seen(every, every, width))
    fields: dict[str, Field] = {}

    def note(name: str, output: Any) -> None:
        seen = tracker.seen_by(output)
        if seen is not None:
            first, last = seen.widest()
            touches = first == 0 or last == width - 1
            fields[name] = Field(None if touches else last - first + 1, seen.stride)

    # Wide pictures are not what the network is for: a layer of its head may refuse them.
    lost = suppress(_FieldLostError, RuntimeError, ManakoError)
    with torch.no_grad(), after_each_module(network, note), QuickNorms(), tracker, lost:
        network(images)
    return fields


def _last_map(network: nn.Module, shape: tuple[int, ...]) -> _Seen:
    images = torch.zeros(1, *shape, device="meta")
    every = np.arange(shape[-1])
    tracker = _Tracker(images, _Seen(every, every, shape[-1]))
    with torch.no_grad(), QuickNorms(), tracker:
        network(images)
    return tracker.latest


class _Tracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the maps [B, C, *size] that depend on the picture through every operation.

    Also while their channels are at the end, in layers that work on each pixel by itself.
    """

    def __init__(self, images: Tensor, seen: _Seen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The tensors are kept, lest another gets the id of one that is gone; they have no values.
        self._known = {id(images): (images, seen)}
        # torch pools signals as pictures of one row.
        self._ndims = (3, 4) if images.ndim == 3 else (images.ndim,)
        self._channels_last: dict[int, tuple[Tensor, _Seen]] = {}
        self.latest = seen

    def seen_by(self, output: Any) -> _Seen | None:
        """What the units of an output see, None where it is no map that was followed."""
        known = self._known.get(id(output)) or self._channels_last.get(id(output))
        return known[1] if known else None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        known = [self._known[id(x)] for x in given if id(x) in self._known]
        result = func(*args, **(kwargs or {}))
        out = result[0] if isinstance(result, tuple) else result
        operation = func.overloadpacket.__name__
        is_map = isinstance(out, Tensor) and out.ndim in self._ndims
        if known and is_map and operation not in _ENDS:
            self.latest = _through(operation, args, known, out)
            self._known[id(out)] = (out, self.latest)
        self._follow_pixels(operation, args, given, out)
        return result

    def _follow_pixels(
        self, operation: str, args: Sequence[Any], given: Sequence[Tensor], out: Any
    ) -> None:
        """Note `out` where it is a map whose channels go to the end, stay there or come back."""
        for x in given:
            if operation == "permute" and tuple(args[1]) == _TO_END and id(x) in self._known:
                self._channels_last[id(out)] = (out, self._known[id(x)][1])
            elif id(x) in self._channels_last:
                _, seen = self._channels_last[id(x)]
                if operation in _OF_PIXELS:
                    self._channels_last[id(out)] = (out, seen)
                elif operation == "permute" and tuple(args[1]) == _TO_FRONT:
                    self._known[id(out)] = (out, seen)
                    self.latest = seen


def _through(
    operation: str, args: Sequence[Any], known: Sequence[tuple[Tensor, _Seen]], out: Tensor
) -> _Seen:
    x, seen = known[0]
    width, before = out.shape[-1], x.shape[-1]
    if operation == "convolution":
        _, weight, _, stride, padding, dilation, transposed, *_ = args
        layer = _Layer(*map(_side, (weight.shape[2:], stride, padding, dilation)))
        if transposed:
            return seen.gathered(((q, p) for p, q in layer.taps(before, width)), width)
        return seen.gathered(layer.taps(width, before), width)
    if operation.startswith(("max_pool", "avg_pool")):
        return seen.gathered(_pooling(args, x).taps(width, before), width)
    if operation == "slice" and args[1] % out.ndim == out.ndim - 1:
        bounds = (*args[2:], None, None, None)  # those that are left out at the end
        return seen.take(slice(*bounds[:3]))
    if operation == "mean" and width == 1:
        first, last = seen.first.min(keepdims=True), seen.last.max(keepdims=True)
        return _Seen(first, last, seen.picture_width)
    if all(other.shape[-1] in (1, width) for other, _ in known):  # number by number
        return _Seen(
            np.minimum.reduce([np.broadcast_to(one.first, width) for _, one in known]),
            np.maximum.reduce([np.broadcast_to(one.last, width) for _, one in known]),
            seen.picture_width,
        )
    raise _FieldLostError(f"the receptive field after {operation!r} is not known")


def _pooling(args: Sequence[Any], x: Tensor) -> _Layer:
    """The windows of a pooling of `x`, whose arguments are kernel, stride, padding, dilation."""
    # Signals are pooled as pictures of one row, of whose height the windows say nothing.
    first = 1 if x.ndim == 4 and x.shape[2] == 1 else 0

    def side(place: int, otherwise: int) -> int:
        sides = args[place] if place < len(args) else None
        return _side(sides[first:]) if isinstance(sides, list) and sides else otherwise

    kernel = side(1, 1)
    return _Layer(kernel, side(2, kernel), side(3, 0), side(4, 1))


def _side(sides: Sequence[int]) -> int:
    """The one of a square."""
    if len(set(sides)) > 1:
        raise _FieldLostError(f"the receptive field after windows of {tuple(sides)} is not known")
    return sides[-1]


@dataclass(frozen=True)
class _Layer:
    """A convolution or pooling along one side."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    def taps(self, coarse: int, fine: int) -> Iterator[tuple[Any, Any]]:
        """For each tap of the kernel: columns of the coarser side, and those of the finer one."""
        columns = np.arange(coarse)
        for tap in range(self.kernel):
            finer = columns * self.stride - self.padding + tap * self.dilation
            inside = (finer >= 0) & (finer < fine)
            yield columns[inside], finer[inside]
