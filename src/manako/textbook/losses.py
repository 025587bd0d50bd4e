"""Losses and what they are made of: entropy, cross-entropy, divergence; norms of weights.

Logarithms are natural, so entropies are in nats.
"""

from __future__ import annotations

import numpy as np

from manako.errors import ShapeError, UsageError
from manako.textbook.windows import Array


def softmax(logits: Array) -> Array:
    """[..., K] -> probabilities [..., K]; the largest is subtracted first, against overflow.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(logits: Array) -> Array:
    """The logarithm of `softmax`, without the way through probabilities of 0."""
    moved = logits - logits.max(-1, keepdims=True)
    return moved - np.log(np.exp(moved).sum(-1, keepdims=True))


def entropy(p: Array) -> Array:
    """H(p) = - sum p log p over the last axis; 0 log 0 is 0.

    >>> entropy(np.array([0.25, 0.25, 0.25, 0.25])) / np.log(2)  # bits
    np.float64(2.0)
    """
    return -_sum_of_p_log(p, p)


def cross_entropy(p: Array, q: Array) -> Array:
    """H(p, q) = - sum p log q over the last axis; infinite where q excludes what p allows."""
    return -_sum_of_p_log(p, q)


def kl_divergence(p: Array, q: Array) -> Array:
    """D(p || q) = H(p, q) - H(p): at least 0, and 0 only for p = q."""
    return cross_entropy(p, q) - entropy(p)


class SoftmaxCrossEntropy:
    """The mean over the batch of -log softmax(x)[label]; one layer, because its gradient is simple.

    dL/dx = (softmax(x) - one-hot(label)) / B

    >>> loss = SoftmaxCrossEntropy()
    >>> loss.forward(np.zeros((1, 4)), np.array([2]))  # log 4
    np.float64(1.3862943611198906)
    >>> loss.backward()
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """

    def forward(self, logits: Array, labels: Array) -> np.floating:
        """Logits [B, K] and labels [B] from 0 to K - 1 -> the loss."""
        if labels.shape != logits.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ShapeError(
                f"labels of shape {list(labels.shape)} and type {labels.dtype} for logits of "
                f"shape {list(logits.shape)}",
                expected="one integer for each row",
            )
        if labels.size and (labels.min() < 0 or labels.max() >= logits.shape[1]):
            raise UsageError(
                f"labels from {labels.min()} to {labels.max()} for {logits.shape[1]} classes",
                expected=f"0 to {logits.shape[1] - 1}",
            )
        self._rows, self._labels = np.arange(len(labels)), labels
        logarithms = log_softmax(logits)
        self._p = np.exp(logarithms)
        return -logarithms[self._rows, labels].mean()

    def backward(self) -> Array:
        """dL/dlogits [B, K]."""
        gradient = self._p.copy()
        gradient[self._rows, self._labels] -= 1
        return gradient / len(gradient)


def lp_norm(w: Array, p: float) -> np.floating:
    """(sum |w|^p)^(1/p); for p = infinity the largest |w|, for p = 0 how many are not 0.

    >>> w = np.array([3.0, 0.0, -4.0])
    >>> [float(lp_norm(w, p)) for p in (0, 1, 2, np.inf)]
    [2.0, 7.0, 5.0, 4.0]
    """
    if p < 0:
        raise UsageError(f"p = {p}", expected="a norm's p is from 0 to infinity")
    sizes = np.abs(w)
    if p == np.inf:
        return sizes.max()
    if p == 0:
        return np.float64(np.count_nonzero(w))
    largest = sizes.max()
    if largest == 0:
        return np.float64(0)
    return largest * ((sizes / largest) ** p).sum() ** (1 / p)


def weight_decay(w: Array, strength: float) -> tuple[np.floating, Array]:
    """strength / 2 times the sum of squares, to add to a loss, and its gradient strength w."""
    return 0.5 * strength * (w**2).sum(), strength * w


def _sum_of_p_log(p: Array, q: Array) -> Array:
    if p.min() < 0 or q.min() < 0:
        raise UsageError("a probability below 0", expected="distributions over the last axis")
    with np.errstate(divide="ignore"):  # log 0 is -inf, and is meant where p is not 0
        logarithms = np.log(q)
    terms = np.multiply(p, logarithms, out=np.zeros(np.broadcast(p, q).shape), where=p > 0)
    return terms.sum(-1)
