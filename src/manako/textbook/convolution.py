"""Convolution and transposed convolution, forward and backward, in any number of dimensions.

As everywhere in deep learning the filter is not mirrored: what is called convolution is the
cross-correlation of maps and filters,

    y[o, i, j] = bias[o] + sum over c, u, v of w[o, c, u, v] x[c, s i + d u - p, s j + d v - p]

for each picture, with stride s, padding p (of zeros) and dilation d. In `groups`, output channels
see only their share of the input's. A depthwise convolution has as many groups as channels, a
pointwise one windows of a single element; one after the other is the depthwise-separable one.

The derivatives (Dumoulin and Visin 2016, https://arxiv.org/abs/1603.07285, section 4): with windows
as rows X = im2col(x) and filters as columns W, the forward pass is Y = X W + b, and so

    dL/dW = X^T dL/dY        dL/db = sum of the rows of dL/dY        dL/dX = dL/dY W^T

of which col2im makes dL/dx. Transposed convolution is that last step by itself.
"""

from __future__ import annotations

import math

import numpy as np

from manako.errors import ShapeError
from manako.textbook.geometry import Extent, Geometry, extents, geometry
from manako.textbook.windows import Array, dimensions_of, maps_of, rows_of, spatial


def convolve(
    maps: Array,
    weights: Array,
    bias: Array | None = None,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
    groups: int = 1,
) -> Array:
    """Maps [B, C, *size], weights [O, C / groups, *kernel], bias [O] -> [B, O, *places].

    Raises ShapeError where they do not belong together.

    >>> picture = np.array([[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
    >>> filters = np.array([[2, 0, 1], [0, 1, 2], [1, 0, 2]])
    >>> x, w = picture[None, None], filters[None, None]
    >>> convolve(x, w)[0, 0]
    array([[15, 16],
           [ 6, 15]])
    >>> convolve(x, w, np.array([3]))[0, 0]
    array([[18, 19],
           [ 9, 18]])
    >>> convolve(x, w, padding=1)[0, 0]
    array([[ 7, 12, 10,  2],
           [ 4, 15, 16, 10],
           [10,  6, 15,  6],
           [ 8, 10,  4,  3]])
    >>> convolve(x, w, stride=2, padding=1)[0, 0]
    array([[ 7, 10],
           [10, 15]])
    """
    windows = windows_of(weights, maps, stride=stride, padding=padding, dilation=dilation)
    rows = rows_of(maps, windows)
    return convolve_rows(rows, maps.shape, weights, bias, windows, groups)


def convolve_rows(
    rows: Array,
    shape: tuple[int, ...],
    weights: Array,
    bias: Array | None,
    windows: Geometry,
    groups: int,
) -> Array:
    """The convolution of maps of `shape` whose windows are `rows` already."""
    refuse_misfits(shape, weights, bias, groups)
    outputs = by_group(rows, groups, windows.elements) @ filters_by_group(weights, groups)
    # [groups, B * places, O / groups] -> [B, places, O] -> [B, O, *places]
    places = windows.output_size(shape[2:])
    y = np.moveaxis(outputs, 0, 1).reshape(shape[0], *places, len(weights))
    if bias is not None:
        y = y + bias
    return np.ascontiguousarray(np.moveaxis(y, -1, 1))


def convolution_gradients(
    gradient: Array,
    rows: Array,
    shape: tuple[int, ...],
    weights: Array,
    windows: Geometry,
    *,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """dL/dy [B, O, *places] -> dL/dx, dL/dw and dL/db.

    `rows` are the windows of the maps that had `shape`, as the forward pass made them.

    >>> x, w = np.arange(1.0, 10).reshape(1, 1, 3, 3), np.array([[[[1.0, 2], [3, 4]]]])
    >>> windows = geometry((2, 2))
    >>> dy = np.array([[[[1.0, 2], [3, 4]]]])
    >>> dx, dw, db = convolution_gradients(dy, rows_of(x, windows), x.shape, w, windows)
    >>> dx[0, 0]
    array([[ 1.,  4.,  4.],
           [ 6., 20., 16.],
           [ 9., 24., 16.]])
    >>> dw[0, 0]
    array([[37., 47.],
           [67., 77.]])
    >>> db
    array([10.])
    """
    outputs = len(weights)
    dy = np.moveaxis(gradient, 1, -1).reshape(-1, groups, outputs // groups)
    dy = np.moveaxis(dy, 1, 0)  # [groups, B * places, O / groups]
    columns = np.moveaxis(by_group(rows, groups, windows.elements), 1, 2) @ dy
    dw = np.moveaxis(columns, 2, 1).reshape(weights.shape)
    db = gradient.sum(axis=(0, *range(2, gradient.ndim)))
    drows = dy @ np.moveaxis(filters_by_group(weights, groups), 1, 2)
    dx = maps_of(np.moveaxis(drows, 0, 1), shape, windows)
    return dx, dw, db


def convolve_transposed(
    maps: Array,
    weights: Array,
    bias: Array | None = None,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
    groups: int = 1,
    extra: Extent = 0,
) -> Array:
    """Maps [B, C, *size], weights [C, O / groups, *kernel] -> [B, O, *larger].

    The gradient of `convolve` with respect to its maps, as a layer: every element lays the filter,
    times its value, onto the output. The size is s (n - 1) + d (k - 1) + 1 - 2p + `extra`.

    >>> convolve_transposed(np.array([[[1, 2, 3]]]), np.array([[[1, 10]]]), stride=2)
    array([[[ 1, 10,  2, 20,  3, 30]]])
    """
    dimensions = dimensions_of(maps)
    windows = geometry(
        weights.shape[2:], stride=stride, padding=padding, dilation=dilation, dimensions=dimensions
    )
    if groups < 1 or len(weights) != maps.shape[1] or len(weights) % groups:
        raise ShapeError(
            f"weights of shape {list(weights.shape)} in {groups} groups for maps of "
            f"{maps.shape[1]} channels",
            expected="[channels, outputs / groups, *kernel], channels a multiple of groups",
        )
    outputs = weights.shape[1] * groups
    refuse_bias(bias, outputs)
    larger = windows.transposed_size(spatial(maps), extents("extra", extra, dimensions, least=0))
    rows = np.moveaxis(maps, 1, -1).reshape(-1, groups, len(weights) // groups)
    drows = np.moveaxis(rows, 1, 0) @ np.moveaxis(filters_by_group(weights, groups), 1, 2)
    y = maps_of(np.moveaxis(drows, 0, 1), (len(maps), outputs, *larger), windows)
    return y if bias is None else y + bias.reshape(-1, *(1,) * dimensions)


def convolve_separably(
    maps: Array,
    depthwise: Array,
    pointwise: Array,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
) -> Array:
    """A filter [C, 1, *kernel] for each channel, then a mixture [O, C, 1, ...] of the channels.

    Howard et al. 2017, https://arxiv.org/abs/1704.04861, section 3.1.
    """
    filtered = convolve(maps, depthwise, stride=stride, padding=padding, groups=maps.shape[1])
    return convolve(filtered, pointwise)


def windows_of(
    weights: Array, maps: Array, *, stride: Extent, padding: Extent, dilation: Extent
) -> Geometry:
    """The windows that filters [O, C, *kernel] see on maps [B, C, *size]."""
    return geometry(
        weights.shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        dimensions=dimensions_of(maps),
    )


def by_group(rows: Array, groups: int, elements: int) -> Array:
    """[B * places, C * elements] -> [groups, B * places, C / groups * elements]."""
    channels = rows.shape[1] // elements
    return np.moveaxis(rows.reshape(len(rows), groups, channels // groups * elements), 1, 0)


def filters_by_group(weights: Array, groups: int) -> Array:
    """[O, C / groups, *kernel] -> [groups, C / groups * elements, O / groups]."""
    filters = weights.reshape(groups, len(weights) // groups, math.prod(weights.shape[1:]))
    return np.moveaxis(filters, 1, 2)


def refuse_misfits(shape: tuple[int, ...], weights: Array, bias: Array | None, groups: int) -> None:
    """Raise ShapeError where maps, weights and bias do not belong together."""
    channels, outputs = shape[1], len(weights)
    divided = groups >= 1 and channels % groups == outputs % groups == 0
    if not divided or weights.shape[1] != channels // groups:
        raise ShapeError(
            f"weights of shape {list(weights.shape)} in {groups} groups for maps of "
            f"{channels} channels",
            expected="[outputs, channels / groups, *kernel], both multiples of groups",
        )
    refuse_bias(bias, outputs)


def refuse_bias(bias: Array | None, outputs: int) -> None:
    """Raise ShapeError for a bias that has not one number for each output."""
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(
            f"a bias of shape {list(bias.shape)} for {outputs} outputs", expected=f"[{outputs}]"
        )
