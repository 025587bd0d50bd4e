"""im2col and col2im: windows as rows of a matrix, and back.

A convolution is one matrix product once every window is a row. im2col makes the rows with one
assignment for each element of the filter, however large the maps; col2im is its transpose (not its
inverse): elements that several windows share are added up, as gradients are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from manako.errors import ShapeError
from manako.textbook.geometry import Extent, Geometry, Size, geometry

Array = npt.NDArray[Any]


def im2col(
    maps: Array,
    kernel: Extent,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
    fill: float = 0.0,
) -> Array:
    """[B, C, *size] -> [B * places, C * elements]: a row for every window.

    Rows are ordered as the places, columns as the weights of a filter [C, *kernel]. `fill` is what
    the padding holds.

    >>> picture = np.arange(9).reshape(1, 1, 3, 3)
    >>> im2col(picture, 2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    windows = geometry(
        kernel, stride=stride, padding=padding, dilation=dilation, dimensions=dimensions_of(maps)
    )
    return rows_of(maps, windows, fill=fill)


def col2im(
    rows: Array,
    shape: tuple[int, ...],
    kernel: Extent,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
) -> Array:
    """[B * places, C * elements] -> [B, C, *size]: each row added where im2col took it.

    `shape` is that of the maps.

    >>> rows = im2col(np.ones((1, 1, 3, 3), int), 2)
    >>> col2im(rows, (1, 1, 3, 3), 2)  # in how many windows each element is
    array([[[[1, 2, 1],
             [2, 4, 2],
             [1, 2, 1]]]])
    """
    windows = geometry(
        kernel, stride=stride, padding=padding, dilation=dilation, dimensions=len(shape) - 2
    )
    return maps_of(rows, shape, windows)


def pooling_rows(maps: Array, windows: Geometry, *, fill: float = 0.0) -> Array:
    """[B, C, *size] -> [B * places * C, elements]: channels are rows, because pooling keeps them.

    >>> maps = np.arange(8).reshape(1, 2, 2, 2)
    >>> pooling_rows(maps, geometry((2, 2)))
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]])
    """
    return rows_of(maps, windows, fill=fill).reshape(-1, windows.elements)


def rows_of(maps: Array, windows: Geometry, *, fill: float = 0.0) -> Array:
    """`im2col` for windows that are made already."""
    batch, channels, *size = maps.shape
    places = windows.output_size(tuple(size))
    padded = np.pad(maps, _padding(windows), constant_values=fill) if any(windows.padding) else maps
    elements = np.empty((windows.elements, batch, channels, *places), maps.dtype)
    for element, offset in zip(elements, windows.offsets(), strict=True):
        element[...] = padded[windows.elements_at(offset, places)]
    places_first = np.moveaxis(elements, (2, 0), (-2, -1))  # [B, *places, C, elements]
    return places_first.reshape(-1, channels * windows.elements)


def maps_of(rows: Array, shape: tuple[int, ...], windows: Geometry) -> Array:
    """`col2im` for windows that are made already."""
    batch, channels, *size = shape
    places = windows.output_size(tuple(size))
    if rows.size != batch * channels * windows.elements * int(np.prod(places)):
        raise ShapeError(
            f"rows of shape {list(rows.shape)} for maps of shape {list(shape)}",
            expected=f"{batch * int(np.prod(places))} rows of {channels * windows.elements}",
        )
    places_first = rows.reshape(batch, *places, channels, windows.elements)
    elements = np.moveaxis(places_first, (-2, -1), (2, 0))
    padded_size = (n + 2 * p for n, p in zip(size, windows.padding, strict=True))
    padded = np.zeros((batch, channels, *padded_size), rows.dtype)
    for element, offset in zip(elements, windows.offsets(), strict=True):
        padded[windows.elements_at(offset, places)] += element
    return padded[windows.without_padding(tuple(size))]


def dimensions_of(maps: Array) -> int:
    """How many dimensions of size [B, C, *size] has: one, two, three, or more."""
    if maps.ndim < 3:
        raise ShapeError(
            f"maps of shape {list(maps.shape)}",
            expected="[batch, channels, *size] with at least one size",
        )
    return maps.ndim - 2


def spatial(maps: Array) -> Size:
    """The size of [B, C, *size]."""
    return maps.shape[2:]


def _padding(windows: Geometry) -> list[tuple[int, int]]:
    return [(0, 0), (0, 0), *((p, p) for p in windows.padding)]
