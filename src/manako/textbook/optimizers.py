"""Rules by which weights follow their gradients, in place, one step at a time.

w are the weights, g their gradient (with weight decay: g + decay w), r the rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from manako.textbook.layers import Layer
from manako.textbook.windows import Array


class Optimizer(Protocol):
    """Something that takes a step."""

    def step(self, layers: Iterable[Layer]) -> None:
        """Change the parameters of `layers` by their gradients."""


class SGD:
    """w <- w - r g; with momentum m, v <- m v + g and w <- w - r v.

    Polyak 1964 (the heavy ball), in PyTorch's form, where the rate multiplies the velocity; in that
    of Sutskever et al. 2013 it multiplies the gradient.
    """

    def __init__(self, rate: float, *, momentum: float = 0.0, decay: float = 0.0) -> None:
        self._rate, self._momentum, self._decay = rate, momentum, decay
        self._velocities: dict[tuple[int, str], Array] = {}

    def step(self, layers: Iterable[Layer]) -> None:
        """One step."""
        for key, w, gradient in parameters_of(layers):
            v = gradient + self._decay * w
            if self._momentum and key in self._velocities:
                v = self._momentum * self._velocities[key] + v
            self._velocities[key] = v
            w -= (self._rate * v).astype(w.dtype)


class Adam:
    """Steps of about the rate's size, whatever the gradient's: mean over root of mean square.

        m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2
        w <- w - r (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1.
    """

    def __init__(
        self,
        rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 0.0,
    ) -> None:
        self._rate, self._betas, self._eps, self._decay = rate, betas, eps, decay
        self._means: dict[tuple[int, str], Array] = {}
        self._squares: dict[tuple[int, str], Array] = {}
        self._steps = 0

    def step(self, layers: Iterable[Layer]) -> None:
        """One step."""
        self._steps += 1
        b1, b2 = self._betas
        for key, w, gradient in parameters_of(layers):
            g = gradient + self._decay * w
            m = b1 * self._means.get(key, np.zeros_like(w)) + (1 - b1) * g
            v = b2 * self._squares.get(key, np.zeros_like(w)) + (1 - b2) * g * g
            self._means[key], self._squares[key] = m, v
            mean, square = m / (1 - b1**self._steps), v / (1 - b2**self._steps)
            w -= (self._rate * mean / (np.sqrt(square) + self._eps)).astype(w.dtype)


def parameters_of(layers: Iterable[Layer]) -> Iterable[tuple[tuple[int, str], Array, Array]]:
    """(place of the layer and name, weights, gradient) of all parameters."""
    for place, layer in enumerate(layers):
        for name, weights in layer.parameters.items():
            yield (place, name), weights, layer.gradients[name]
