"""Layers: each turns maps into maps, and the gradient of a loss at its end into that at its start.

`forward` keeps what `backward` needs. `parameters` and, after `backward`, `gradients` have the same
names and shapes, so that an optimizer can walk through them.

    dL/dx = backward(dL/dy)
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from manako.errors import ShapeError, UsageError
from manako.textbook.convolution import convolution_gradients, convolve_rows, windows_of
from manako.textbook.geometry import Extent
from manako.textbook.pooling import (
    average_pool,
    average_pool_gradient,
    max_of_rows,
    max_pool_gradient,
    pooling_windows,
)
from manako.textbook.windows import Array, rows_of


class Layer(Protocol):
    """What a network needs of its layers."""

    parameters: dict[str, Array]
    gradients: dict[str, Array]

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """The layer's output; dropout and batch norm work differently while `training`."""

    def backward(self, dy: Array) -> Array:
        """dL/dx from dL/dy, for the `x` of the last `forward`; sets `gradients`."""


class Convolution:
    """`convolve` with weights [O, C / groups, *kernel] and a bias [O]."""

    def __init__(
        self,
        weights: Array,
        bias: Array,
        *,
        stride: Extent = 1,
        padding: Extent = 0,
        dilation: Extent = 1,
        groups: int = 1,
    ) -> None:
        self.parameters = {"weights": weights, "bias": bias}
        self.gradients: dict[str, Array] = {}
        self._stride, self._padding, self._dilation = stride, padding, dilation
        self._groups = groups

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[B, C, *size] -> [B, O, *places]."""
        weights, bias = self.parameters["weights"], self.parameters["bias"]
        self._windows = windows_of(
            weights, x, stride=self._stride, padding=self._padding, dilation=self._dilation
        )
        self._shape = x.shape
        self._rows = rows_of(x, self._windows)
        return convolve_rows(self._rows, x.shape, weights, bias, self._windows, self._groups)

    def backward(self, dy: Array) -> Array:
        """See `convolution_gradients`."""
        dx, dw, db = convolution_gradients(
            dy,
            self._rows,
            self._shape,
            self.parameters["weights"],
            self._windows,
            groups=self._groups,
        )
        self.gradients = {"weights": dw, "bias": db}
        return dx


class _WithoutParameters:
    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}


class MaxPooling(_WithoutParameters):
    """`max_pool`; the gradient goes to the first of the largest elements of a window."""

    def __init__(
        self, kernel: Extent, *, stride: Extent | None = None, padding: Extent = 0
    ) -> None:
        super().__init__()
        self._kernel, self._stride, self._padding = kernel, stride, padding

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[B, C, *size] -> [B, C, *places]."""
        self._shape = x.shape
        self._windows = pooling_windows(x, self._kernel, self._stride, self._padding)
        y, self._chosen = max_of_rows(x, self._windows)
        return y

    def backward(self, dy: Array) -> Array:
        """See `max_pool_gradient`."""
        return max_pool_gradient(dy, self._chosen, self._shape, self._windows)


class AveragePooling(_WithoutParameters):
    """`average_pool`."""

    def __init__(
        self,
        kernel: Extent,
        *,
        stride: Extent | None = None,
        padding: Extent = 0,
        count_padding: bool = True,
    ) -> None:
        super().__init__()
        self._kernel, self._stride, self._padding = kernel, stride, padding
        self._count_padding = count_padding

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[B, C, *size] -> [B, C, *places]."""
        self._shape = x.shape
        self._windows = pooling_windows(x, self._kernel, self._stride, self._padding)
        return average_pool(
            x,
            self._kernel,
            stride=self._stride,
            padding=self._padding,
            count_padding=self._count_padding,
        )

    def backward(self, dy: Array) -> Array:
        """See `average_pool_gradient`."""
        return average_pool_gradient(
            dy, self._shape, self._windows, count_padding=self._count_padding
        )


class Affine:
    """y = x W + b, with everything but the batch in one row: x [B, ...], W [D, O], b [O]."""

    def __init__(self, weights: Array, bias: Array) -> None:
        self.parameters = {"weights": weights, "bias": bias}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[B, ...] -> [B, O]."""
        self._shape = x.shape
        self._rows = x.reshape(len(x), -1)
        return self._rows @ self.parameters["weights"] + self.parameters["bias"]

    def backward(self, dy: Array) -> Array:
        """dL/dW = x^T dL/dy, dL/db = its sum, dL/dx = dL/dy W^T."""
        self.gradients = {"weights": self._rows.T @ dy, "bias": dy.sum(axis=0)}
        return (dy @ self.parameters["weights"].T).reshape(self._shape)


class ReLU(_WithoutParameters):
    """max(0, x); at 0 the derivative is taken as 0."""

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """The positive part."""
        self._positive = x > 0
        return x * self._positive

    def backward(self, dy: Array) -> Array:
        """dL/dy where x was positive."""
        return dy * self._positive


class Sigmoid(_WithoutParameters):
    """1 / (1 + e^-x), computed as (1 + tanh(x / 2)) / 2, which does not overflow."""

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """Values between 0 and 1."""
        self._y = 0.5 * (1 + np.tanh(0.5 * x))
        return self._y

    def backward(self, dy: Array) -> Array:
        """dL/dy y (1 - y)."""
        return dy * self._y * (1 - self._y)


class Dropout(_WithoutParameters):
    """While training, each value is 0 with probability `rate`; the others grow by 1 / (1 - rate).

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html, in the form that leaves
    prediction as it is.
    """

    def __init__(self, rate: float, generator: np.random.Generator) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise UsageError(f"a dropout of {rate}", expected="a rate from 0 on and below 1")
        self._rate, self._generator = rate, generator
        self._factors: Array = np.ones(())

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """`x` with some values left out, or `x` itself."""
        self._factors = np.ones((), x.dtype)
        if training:
            kept = self._generator.random(x.shape) >= self._rate
            self._factors = kept.astype(x.dtype) / x.dtype.type(1 - self._rate)
        return x * self._factors

    def backward(self, dy: Array) -> Array:
        """dL/dy where values were kept, grown alike."""
        return dy * self._factors


class BatchNorm:
    """Each channel minus its mean, over its deviation, times gamma plus beta.

    Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1. While training, mean and
    variance are those of the batch and all places; running averages of them serve prediction,
    the variance as estimated for the population: times n / (n - 1). `momentum` is the share of the
    new in the average.
    """

    def __init__(
        self, gamma: Array, beta: Array, *, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        self.parameters = {"gamma": gamma, "beta": beta}
        self.gradients: dict[str, Array] = {}
        self.running_mean, self.running_variance = np.zeros_like(beta), np.ones_like(gamma)
        self._eps, self._momentum = eps, momentum

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[B, C, *size] -> the same shape."""
        self._training = training
        self._axes = (0, *range(2, x.ndim))
        if training:
            n = x.size // x.shape[1]
            if n < 2:
                raise ShapeError(
                    f"batch norm of one value a channel: {list(x.shape)}",
                    expected="several pictures or places, for a variance",
                )
            mean, variance = x.mean(self._axes), x.var(self._axes)
            self.running_mean = self._average(self.running_mean, mean)
            self.running_variance = self._average(self.running_variance, variance * n / (n - 1))
        else:
            mean, variance = self.running_mean, self.running_variance
        self._deviation = _along_channels(np.sqrt(variance + self._eps), x.ndim)
        self._normal = (x - _along_channels(mean, x.ndim)) / self._deviation
        gamma, beta = (_along_channels(one, x.ndim) for one in self.parameters.values())
        return gamma * self._normal + beta

    def backward(self, dy: Array) -> Array:
        """The derivatives of section 3, put together."""
        gamma = _along_channels(self.parameters["gamma"], dy.ndim)
        self.gradients = {
            "gamma": (dy * self._normal).sum(self._axes),
            "beta": dy.sum(self._axes),
        }
        if not self._training:
            return dy * gamma / self._deviation
        return _normalised_gradient(dy * gamma, self._normal, self._deviation, self._axes)

    def _average(self, old: Array, new: Array) -> Array:
        return (1 - self._momentum) * old + self._momentum * new


class LayerNorm:
    """Each row minus its mean, over its deviation, times gamma plus beta: x [..., D].

    Ba et al. 2016, https://arxiv.org/abs/1607.06450, equation 4; the same while training or not.
    """

    def __init__(self, gamma: Array, beta: Array, *, eps: float = 1e-5) -> None:
        self.parameters = {"gamma": gamma, "beta": beta}
        self.gradients: dict[str, Array] = {}
        self._eps = eps

    def forward(self, x: Array, *, training: bool = False) -> Array:
        """[..., D] -> the same shape."""
        self._deviation = np.sqrt(x.var(-1, keepdims=True) + self._eps)
        self._normal = (x - x.mean(-1, keepdims=True)) / self._deviation
        return self.parameters["gamma"] * self._normal + self.parameters["beta"]

    def backward(self, dy: Array) -> Array:
        """As for batch norm, with rows in place of channels."""
        rows = tuple(range(dy.ndim - 1))
        self.gradients = {"gamma": (dy * self._normal).sum(rows), "beta": dy.sum(rows)}
        dnormal = dy * self.parameters["gamma"]
        return _normalised_gradient(dnormal, self._normal, self._deviation, (-1,))


def _normalised_gradient(
    dnormal: Array, normal: Array, deviation: Array, axes: tuple[int, ...]
) -> Array:
    """dL/dx where normal = (x - mean) / deviation, with mean and deviation taken over `axes`.

    Moving x by a constant, or stretching it, changes nothing: those two parts of the gradient go.
    """
    constant = dnormal.mean(axes, keepdims=True)
    stretch = normal * (dnormal * normal).mean(axes, keepdims=True)
    return (dnormal - constant - stretch) / deviation


def _along_channels(values: Array, dimensions: int) -> Array:
    """[C] -> [1, C, 1, ...]."""
    return values.reshape(1, -1, *(1,) * (dimensions - 2))


def he_normal(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Weights [O, C, *kernel] in float32 whose ReLU keeps the size of what passes.

    Normal with variance 2 / (C x elements): He et al. 2015, https://arxiv.org/abs/1502.01852,
    equation 10.
    """
    deviation = math.sqrt(2 / math.prod(shape[1:]))
    return (deviation * generator.standard_normal(shape)).astype(np.float32)
