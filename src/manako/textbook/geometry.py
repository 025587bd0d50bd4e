"""How windows lie on a map, and how large what they give is.

A window of `kernel` elements, `dilation` apart, covers d (k - 1) + 1 elements. On n elements with p
more on either side, moved by s, it has

    floor((n + 2p - d (k - 1) - 1) / s) + 1

places (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
https://arxiv.org/abs/1603.07285, relationship 6 and section 5.1).
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from manako.errors import ShapeError

Size = tuple[int, ...]
Index = tuple[EllipsisType | slice, ...]
Extent = int | Sequence[int]
"""One number for all dimensions, or one for each."""


@dataclass(frozen=True)
class Geometry:
    """Windows of `kernel` elements in each dimension; see `geometry` to make one.

    >>> geometry((3, 3), stride=2, padding=1).output_size((5, 8))
    (3, 4)
    >>> geometry((3, 3), dilation=2).output_size((5, 8))
    (1, 4)
    """

    kernel: Size
    stride: Size
    padding: Size
    dilation: Size

    @property
    def elements(self) -> int:
        """How many elements a window has."""
        return math.prod(self.kernel)

    @property
    def covered(self) -> Size:
        """The size from a window's first element to its last."""
        return tuple(
            dilation * (kernel - 1) + 1
            for kernel, dilation in zip(self.kernel, self.dilation, strict=True)
        )

    def output_size(self, size: Size) -> Size:
        """How many places the windows have on a map of `size`.

        Raises ShapeError when a window is larger than the padded map.
        """
        if len(size) != len(self.kernel):
            raise ShapeError(
                f"windows of {len(self.kernel)} dimensions on a map of {len(size)}",
                expected="maps [B, C, *size] with as many sizes as the kernel has",
            )
        padded = tuple(n + 2 * p for n, p in zip(size, self.padding, strict=True))
        if any(n < covered for n, covered in zip(padded, self.covered, strict=True)):
            raise ShapeError(
                f"a window covers {_times(self.covered)} elements, the padded map has "
                f"{_times(padded)}",
                fix="take larger maps, more padding, or a smaller kernel or dilation",
            )
        return tuple(
            (n - covered) // stride + 1
            for n, covered, stride in zip(padded, self.covered, self.stride, strict=True)
        )

    def transposed_size(self, size: Size, extra: Size) -> Size:
        """The map on which these windows have `size` places: what transposed convolution gives.

        s - 1 other maps have as many places, because of the floor; `extra` elements choose one.
        PyTorch, with `output_padding`, also takes those up to dilation - 1.

        >>> geometry(4, stride=2, padding=1).transposed_size((7,), (0,))
        (14,)
        """
        if any(more >= stride for more, stride in zip(extra, self.stride, strict=True)):
            raise ShapeError(
                f"{_times(extra)} extra elements with stride {_times(self.stride)}",
                expected="fewer than the stride: a larger map has more places",
            )
        larger = tuple(
            (n - 1) * stride - 2 * padding + covered + more
            for n, stride, padding, covered, more in zip(
                size, self.stride, self.padding, self.covered, extra, strict=True
            )
        )
        if min(larger) < 1:
            raise ShapeError(
                f"a map of {_times(size)} without padding would have {_times(larger)} elements",
                fix="take larger maps or less padding",
            )
        return larger

    def offsets(self) -> Iterator[Size]:
        """The places of a window's elements, the last dimension fastest."""
        return itertools.product(*map(range, self.kernel))

    def elements_at(self, offset: Size, output_size: Size) -> Index:
        """On padded maps [..., *size], the element at `offset` of all windows at once."""
        firsts = [at * dilation for at, dilation in zip(offset, self.dilation, strict=True)]
        slices = (
            slice(first, first + (places - 1) * stride + 1, stride)
            for first, places, stride in zip(firsts, output_size, self.stride, strict=True)
        )
        return (..., *slices)

    def without_padding(self, size: Size) -> Index:
        """On padded maps [..., *size], what is no padding; `size` is that without it."""
        return (..., *(slice(p, p + n) for n, p in zip(size, self.padding, strict=True)))


def geometry(
    kernel: Extent,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
    dimensions: int | None = None,
) -> Geometry:
    """The windows of `kernel` elements; a single number counts for all `dimensions`.

    >>> geometry(2, dimensions=2).kernel
    (2, 2)
    """
    if dimensions is None:
        dimensions = max(1, np.size(kernel))
    return Geometry(
        kernel=extents("kernel", kernel, dimensions),
        stride=extents("stride", stride, dimensions),
        padding=extents("padding", padding, dimensions, least=0),
        dilation=extents("dilation", dilation, dimensions),
    )


def extents(name: str, given: Extent, dimensions: int, *, least: int = 1) -> Size:
    """One number for each dimension."""
    values = (given,) * dimensions if isinstance(given, int | np.integer) else tuple(given)
    if len(values) != dimensions or min(values) < least:
        raise ShapeError(
            f"{name} is {given} for maps of {dimensions} dimensions",
            expected=f"a number from {least} on, or {dimensions} of them",
        )
    return tuple(map(operator.index, values))


def _times(size: Size) -> str:
    return " x ".join(map(str, size))
