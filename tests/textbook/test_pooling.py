"""Pooling of the textbook against PyTorch's, and its gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from manako.errors import ShapeError
from manako.textbook.gradients import numerical_gradient
from manako.textbook.layers import AveragePooling, MaxPooling
from manako.textbook.pooling import average_pool, max_pool

MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@st.composite
def cases(draw):
    dims = draw(st.integers(1, 3))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    size = tuple(k + draw(st.integers(0, 4)) for k in kernel)
    generator = np.random.default_rng(draw(st.integers(0, 9)))
    x = generator.standard_normal((2, 2, *size))
    if draw(st.booleans()):  # ties
        x = x.round()
    return x, {"stride": stride, "padding": padding}, kernel


@given(cases())
@settings(deadline=None, max_examples=80)
def test_max_pooling_and_its_gradient_are_those_of_torch(case):
    x, how, kernel = case
    tensor = torch.from_numpy(x).requires_grad_()
    theirs = MAX[len(kernel)](tensor, kernel, **how)
    dy = np.random.default_rng(1).standard_normal(theirs.shape)
    theirs.backward(torch.from_numpy(dy))

    layer = MaxPooling(kernel, **how)

    np.testing.assert_array_equal(layer.forward(x), theirs.detach().numpy())
    np.testing.assert_allclose(layer.backward(dy), tensor.grad.numpy(), atol=1e-12)
    np.testing.assert_array_equal(max_pool(x, kernel, **how), theirs.detach().numpy())


@given(cases(), st.booleans())
@settings(deadline=None, max_examples=80)
def test_average_pooling_and_its_gradient_are_those_of_torch(case, count_padding):
    x, how, kernel = case
    tensor = torch.from_numpy(x).requires_grad_()
    theirs = AVERAGE[len(kernel)](tensor, kernel, **how, count_include_pad=count_padding)
    dy = np.random.default_rng(1).standard_normal(theirs.shape)
    theirs.backward(torch.from_numpy(dy))

    layer = AveragePooling(kernel, **how, count_padding=count_padding)

    np.testing.assert_allclose(layer.forward(x), theirs.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(layer.backward(dy), tensor.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("layer", [MaxPooling(2), AveragePooling((2, 3), padding=(0, 1))])
def test_gradients_are_those_of_differences(layer):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 3, 5, 6))
    dy = generator.standard_normal(layer.forward(x).shape)
    dx = layer.backward(dy)

    differences = numerical_gradient(lambda: (layer.forward(x) * dy).sum(), x)

    np.testing.assert_allclose(dx, differences, atol=1e-8)


def test_of_equal_elements_the_first_gets_the_whole_gradient():
    layer = MaxPooling((2, 2))
    layer.forward(np.ones((1, 1, 2, 2)))
    assert layer.backward(np.full((1, 1, 1, 1), 5.0)).tolist() == [[[[5, 0], [0, 0]]]]


def test_padding_never_wins_against_negative_values():
    x = -np.ones((1, 1, 3, 3))
    assert (max_pool(x, 2, stride=2, padding=1) == -1).all()
    assert (max_pool(x.astype(np.int8), 2, stride=2, padding=1) == -1).all()


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_a_window_must_see_the_map(pool):
    with pytest.raises(ShapeError, match=r"padding \(2, 2\) and kernel \(3, 3\)"):
        pool(np.ones((1, 1, 5, 5)), 3, padding=2)
    with pytest.raises(ShapeError, match="a window covers 6 x 6"):
        pool(np.ones((1, 1, 5, 5)), 6)


def test_padding_is_never_part_of_a_mask():
    mask = np.zeros((1, 1, 3, 3), bool)
    assert not max_pool(mask, 3, stride=1, padding=1).any()
    mask[0, 0, 0, 0] = True
    assert max_pool(mask, 3, stride=1, padding=1)[0, 0].astype(int).tolist() == [
        [1, 1, 0],
        [1, 1, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("count_padding", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_mean_is_as_precise_as_what_it_is_of(dtype, count_padding):
    layer = AveragePooling(2, padding=1, count_padding=count_padding)
    y = layer.forward(np.ones((1, 2, 4, 4), dtype))
    assert y.dtype == layer.backward(y).dtype == dtype


def test_means_of_whole_numbers_are_not_rounded():
    assert average_pool(np.array([[[1, 2]]]), 2).tolist() == [[[1.5]]]
    assert average_pool(np.array([[[1, 2]]]), 2, count_padding=False).tolist() == [[[1.5]]]
