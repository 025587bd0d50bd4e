"""A small convolutional network, whole: the layers of this package in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manako.errors import ShapeError
from manako.textbook.geometry import geometry
from manako.textbook.layers import Affine, Convolution, Layer, MaxPooling, ReLU, he_normal
from manako.textbook.losses import SoftmaxCrossEntropy
from manako.textbook.optimizers import Optimizer
from manako.textbook.windows import Array

PICTURES_AT_ONCE = 500


class SimpleConvNet:
    """Convolution, ReLU, max pooling, affine, ReLU, affine; softmax with cross-entropy at the end.

    The network with which courses begin. `shape` is that of a picture [C, H, W], of float32.
    The starting weights are drawn from `seed`.

    >>> network = SimpleConvNet((1, 8, 8), classes=3, filters=4, hidden=5)
    >>> network.predict(np.zeros((2, 1, 8, 8), np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        classes: int,
        filters: int = 30,
        kernel: int = 5,
        hidden: int = 100,
        seed: int = 0,
    ) -> None:
        generator = np.random.default_rng(seed)
        windows = geometry((kernel, kernel))
        pooled = geometry((2, 2), stride=2).output_size(windows.output_size(shape[1:]))
        features = filters * pooled[0] * pooled[1]
        self.layers: Sequence[Layer] = (
            Convolution(
                he_normal((filters, shape[0], kernel, kernel), generator),
                np.zeros(filters, np.float32),
            ),
            ReLU(),
            MaxPooling(2),
            Affine(he_normal((hidden, features), generator).T.copy(), np.zeros(hidden, np.float32)),
            ReLU(),
            Affine(he_normal((classes, hidden), generator).T.copy(), np.zeros(classes, np.float32)),
        )
        self._loss = SoftmaxCrossEntropy()

    def predict(self, images: Array) -> Array:
        """Images [B, C, H, W], one at least -> logits [B, K]."""
        if not len(images):
            raise ShapeError("no images", expected="[B, C, H, W] with one at least")
        parts = [
            self._forward(images[start : start + PICTURES_AT_ONCE], training=False)
            for start in range(0, len(images), PICTURES_AT_ONCE)
        ]
        return np.concatenate(parts)

    def accuracy(self, images: Array, labels: Array) -> float:
        """The share of `images` whose largest logit is that of their label."""
        return float((self.predict(images).argmax(1) == labels).mean())

    def train_step(self, images: Array, labels: Array, optimizer: Optimizer) -> float:
        """One step on a batch; the loss before it."""
        loss = float(self._loss.forward(self._forward(images, training=True), labels))
        dy = self._loss.backward()
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        optimizer.step(self.layers)
        return loss

    def _forward(self, x: Array, *, training: bool) -> Array:
        for layer in self.layers:
            x = layer.forward(x, training=training)
        return x


def batches(
    count: int, size: int, generator: np.random.Generator
) -> Iterator[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Which of `count` pictures come together, in a new order; the last may be fewer."""
    order = generator.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]
