"""Losses and norms of the textbook, against PyTorch, SciPy and their own laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.textbook.gradients import numerical_gradient
from manako.textbook.losses import (
    SoftmaxCrossEntropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_softmax,
    lp_norm,
    softmax,
    weight_decay,
)

RANDOM = np.random.default_rng(0)
shares = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda p: np.array(p) / sum(p))


def test_the_loss_and_its_gradient_are_torchs():
    logits, labels = 5 * RANDOM.standard_normal((6, 4)), RANDOM.integers(0, 4, 6)
    tensor = torch.from_numpy(logits).requires_grad_()
    expected = functional.cross_entropy(tensor, torch.from_numpy(labels))
    expected.backward()
    loss = SoftmaxCrossEntropy()

    assert loss.forward(logits, labels) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(loss.backward(), tensor.grad.numpy(), atol=1e-12)
    differences = numerical_gradient(lambda: loss.forward(logits, labels), logits)
    np.testing.assert_allclose(loss.backward(), differences, atol=1e-8)


def test_a_certain_error_costs_its_distance_and_not_infinity():
    loss = SoftmaxCrossEntropy()
    assert loss.forward(np.array([[0.0, 1e4]]), np.array([0])) == 1e4
    np.testing.assert_array_equal(log_softmax(np.array([0.0, 1e4])), [-1e4, 0])


@given(shares, shares)
def test_divergence_is_what_coding_with_the_wrong_distribution_costs(p, q):
    assert entropy(p) == pytest.approx(scipy.stats.entropy(p), abs=1e-12)
    assert kl_divergence(p, q) == pytest.approx(scipy.stats.entropy(p, q), abs=1e-12)
    assert kl_divergence(p, q) >= -1e-12
    assert cross_entropy(p, q) == pytest.approx(entropy(p) + kl_divergence(p, q), abs=1e-12)


def test_zero_probabilities():
    certain, even = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert entropy(certain) == 0
    assert kl_divergence(certain, even) == pytest.approx(np.log(2))
    assert kl_divergence(even, certain) == np.inf
    with pytest.raises(UsageError, match="a probability below 0"):
        entropy(np.array([1.5, -0.5]))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.floats(1, 8))
def test_norms_are_those_of_numpy(values, p):
    w = np.array(values)
    assert lp_norm(w, p) == pytest.approx(np.linalg.norm(w, p), rel=1e-9, abs=1e-9)
    assert lp_norm(w, np.inf) == np.linalg.norm(w, np.inf)
    assert lp_norm(w, 0) == np.linalg.norm(w, 0)


def test_a_norm_neither_overflows_nor_takes_p_below_0():
    assert lp_norm(np.array([3e200, 4e200]), 2) == pytest.approx(5e200)
    with pytest.raises(UsageError, match="p = -1"):
        lp_norm(np.ones(2), -1)


def test_decay_is_the_gradient_of_its_penalty():
    w = RANDOM.standard_normal((3, 2))
    differences = numerical_gradient(lambda: weight_decay(w, 0.3)[0], w)
    np.testing.assert_allclose(weight_decay(w, 0.3)[1], differences, atol=1e-9)


def test_softmax_sums_to_one_along_the_last_axis():
    assert softmax(RANDOM.standard_normal((2, 3, 5))).sum(-1) == pytest.approx(1)


def test_labels_that_are_no_labels_are_refused():
    logits = np.zeros((2, 3))
    with pytest.raises(UsageError, match="labels from 0 to 3 for 3 classes"):
        SoftmaxCrossEntropy().forward(logits, np.array([0, 3]))
    with pytest.raises(UsageError, match="labels from -1 to 0"):
        SoftmaxCrossEntropy().forward(logits, np.array([0, -1]))
    with pytest.raises(ShapeError, match=r"labels of shape \[2\] and type float64"):
        SoftmaxCrossEntropy().forward(logits, np.array([0.0, 1.0]))
    with pytest.raises(ShapeError, match=r"labels of shape \[3\]"):
        SoftmaxCrossEntropy().forward(logits, np.array([0, 1, 2]))
