"""Max and average pooling, forward and backward, in any number of dimensions.

A window keeps its channel: windows are rows again, with the channels among the rows, and a row
gives its largest element or its mean. Padding never wins a maximum, and counts in a mean as zeros
unless told otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from manako.errors import ShapeError
from manako.textbook.geometry import Extent, Geometry, geometry
from manako.textbook.windows import Array, dimensions_of, maps_of, pooling_rows, spatial


def max_pool(
    maps: Array, kernel: Extent, *, stride: Extent | None = None, padding: Extent = 0
) -> Array:
    """[B, C, *size] -> [B, C, *places]; the stride is that of the kernel unless given.

    >>> max_pool(np.array([[[1, 3, 2, 0, 5]]]), 2)
    array([[[3, 2]]])
    """
    windows = pooling_windows(maps, kernel, stride, padding)
    return max_of_rows(maps, windows)[0]


def max_of_rows(maps: Array, windows: Geometry) -> tuple[Array, Array]:
    """The maxima and, for every window in the order of its row, which element was the maximum.

    Of equal elements the first counts, so that the gradient goes to one of them.
    """
    rows = pooling_rows(maps, windows, fill=_lowest(maps))
    chosen = rows.argmax(axis=1)
    maxima = np.take_along_axis(rows, chosen[:, None], axis=1)
    return _as_maps(maxima, maps.shape, windows), chosen


def max_pool_gradient(
    gradient: Array, chosen: Array, shape: tuple[int, ...], windows: Geometry
) -> Array:
    """dL/dy [B, C, *places] -> dL/dx of `shape`: all of it to the element that was the maximum."""
    rows = np.zeros((gradient.size, windows.elements), gradient.dtype)
    rows[np.arange(len(rows)), chosen] = _as_rows(gradient)
    return maps_of(rows, shape, windows)


def average_pool(
    maps: Array,
    kernel: Extent,
    *,
    stride: Extent | None = None,
    padding: Extent = 0,
    count_padding: bool = True,
) -> Array:
    """[B, C, *size] -> [B, C, *places]; with `count_padding` the divisor is always the kernel.

    >>> average_pool(np.array([[[2.0, 4, 6, 8]]]), 2, padding=1)
    array([[[1., 5., 4.]]])
    >>> average_pool(np.array([[[2.0, 4, 6, 8]]]), 2, padding=1, count_padding=False)
    array([[[2., 5., 8.]]])
    """
    windows = pooling_windows(maps, kernel, stride, padding)
    sums = pooling_rows(maps, windows).sum(axis=1)
    by = divisors(maps.shape, windows, count_padding, sums.dtype)
    return _as_maps(sums, maps.shape, windows) / by


def average_pool_gradient(
    gradient: Array, shape: tuple[int, ...], windows: Geometry, *, count_padding: bool = True
) -> Array:
    """dL/dy [B, C, *places] -> dL/dx of `shape`: the same share to every element of a window."""
    by = divisors(shape, windows, count_padding, gradient.dtype)
    shares = _as_rows(gradient / by)
    return maps_of(np.repeat(shares[:, None], windows.elements, axis=1), shape, windows)


def divisors(
    shape: tuple[int, ...], windows: Geometry, count_padding: bool, dtype: DTypeLike
) -> Array:
    """By what the sum of each window is divided, as `dtype`: [1, 1, *places], or one number."""
    if count_padding:
        return np.array(windows.elements, dtype)
    ones = np.ones((1, 1, *shape[2:]), dtype)
    return _as_maps(pooling_rows(ones, windows).sum(axis=1), ones.shape, windows)


def pooling_windows(
    maps: Array, kernel: Extent, stride: Extent | None, padding: Extent
) -> Geometry:
    """The windows of a pooling on maps [B, C, *size].

    Raises ShapeError when a window could lie wholly on padding.
    """
    windows = geometry(
        kernel,
        stride=kernel if stride is None else stride,
        padding=padding,
        dimensions=dimensions_of(maps),
    )
    if any(2 * p > k for p, k in zip(windows.padding, windows.kernel, strict=True)):
        raise ShapeError(
            f"pooling with padding {windows.padding} and kernel {windows.kernel}",
            expected="padding of at most half the kernel: a window must see the map",
        )
    windows.output_size(spatial(maps))
    return windows


def _as_maps(rows: Array, shape: tuple[int, ...], windows: Geometry) -> Array:
    """A number for each row -> [B, C, *places]."""
    batch, channels, *size = shape
    places = windows.output_size(tuple(size))
    return np.ascontiguousarray(np.moveaxis(rows.reshape(batch, *places, channels), -1, 1))


def _as_rows(maps: Array) -> Array:
    """[B, C, *places] -> a number for each row."""
    return np.moveaxis(maps, 1, -1).reshape(-1)


def _lowest(maps: Array) -> float:
    if maps.dtype == bool:
        return False
    if np.issubdtype(maps.dtype, np.integer):
        return int(np.iinfo(maps.dtype).min)
    return -np.inf
