"""Convolutions of the textbook against PyTorch's, and their gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from manako.errors import ShapeError
from manako.textbook.convolution import convolve, convolve_separably, convolve_transposed
from manako.textbook.geometry import geometry
from manako.textbook.gradients import numerical_gradient
from manako.textbook.layers import Convolution
from manako.textbook.windows import col2im, im2col, pooling_rows

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


@st.composite
def cases(draw):
    dims = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dims))

    kernel, stride, padding, dilation = each(1, 3), each(1, 3), each(0, 2), each(1, 2)
    size = tuple(
        d * (k - 1) + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, dilation, strict=True)
    )
    groups = draw(st.integers(1, 3))
    channels, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    generator = np.random.default_rng(draw(st.integers(0, 9)))
    x = generator.standard_normal((draw(st.integers(1, 2)), channels, *size))
    w = generator.standard_normal((outputs, channels // groups, *kernel))
    b = generator.standard_normal(outputs)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, w, b, how


@given(cases())
@settings(deadline=None, max_examples=80)
def test_forward_and_backward_are_those_of_torch(case):
    x, w, b, how = case
    tensors = [torch.from_numpy(one).requires_grad_() for one in (x, w, b)]
    theirs = CONV[x.ndim - 2](*tensors, **how)
    dy = np.random.default_rng(1).standard_normal(theirs.shape)
    theirs.backward(torch.from_numpy(dy))

    layer = Convolution(w, b, **how)
    y = layer.forward(x)
    dx = layer.backward(dy)

    ours = (dx, layer.gradients["weights"], layer.gradients["bias"])
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(convolve(x, w, b, **how), y, rtol=0, atol=0)
    for mine, other in zip(ours, tensors, strict=True):
        np.testing.assert_allclose(mine, other.grad.numpy(), rtol=1e-10, atol=1e-10)


@given(cases(), st.integers(0, 1))
@settings(deadline=None, max_examples=80)
def test_transposed_convolution_is_that_of_torch(case, extra):
    x, w, _, how = case
    dims = x.ndim - 2
    w = np.swapaxes(w.reshape(how["groups"], -1, *w.shape[1:]), 1, 2)  # [G, C / G, O / G, *k]
    w = w.reshape(x.shape[1], -1, *w.shape[3:])
    stride = tuple(s + 1 for s in how["stride"])  # more than one place is left open
    how = {**how, "stride": stride}
    b = np.arange(w.shape[1] * how["groups"], dtype=float)
    covered = geometry(w.shape[2:], padding=how["padding"], dilation=how["dilation"]).covered
    sides = zip(x.shape[2:], stride, how["padding"], covered, strict=True)
    if min((n - 1) * s - 2 * p + c + extra for n, s, p, c in sides) < 1:
        with pytest.raises(ShapeError, match="without padding would have"):
            convolve_transposed(x, w, b, extra=extra, **how)
        return

    ours = convolve_transposed(x, w, b, extra=extra, **how)

    tensors = [torch.from_numpy(np.ascontiguousarray(one)) for one in (x, w, b)]
    theirs = TRANSPOSED[dims](*tensors, output_padding=extra, **how)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_are_those_of_differences(dims):
    generator = np.random.default_rng(dims)
    x = generator.standard_normal((2, 4, *(5, 4, 3)[:dims]))
    w = generator.standard_normal((6, 2, *(3, 2, 2)[:dims]))
    b = generator.standard_normal(6)
    layer = Convolution(w, b, stride=2, padding=1, groups=2)
    dy = generator.standard_normal(layer.forward(x).shape)

    dx = layer.backward(dy)

    def loss():
        return (layer.forward(x) * dy).sum()

    for array, gradient in ((x, dx), (w, layer.gradients["weights"]), (b, layer.gradients["bias"])):
        np.testing.assert_allclose(gradient, numerical_gradient(loss, array), atol=1e-8)


def test_depthwise_then_pointwise_is_one_separable_convolution():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 3, 6, 7))
    depthwise = generator.standard_normal((3, 1, 3, 3))
    pointwise = generator.standard_normal((5, 3, 1, 1))
    full = np.einsum("oc,cuv->ocuv", pointwise[:, :, 0, 0], depthwise[:, 0])

    separable = convolve_separably(x, depthwise, pointwise, stride=2, padding=1)

    np.testing.assert_allclose(separable, convolve(x, full, stride=2, padding=1), atol=1e-12)


def test_rows_have_the_sizes_that_books_give():
    # The two examples of im2col: one picture 3 x 7 x 7, and ten, with windows of 5 x 5.
    assert im2col(np.zeros((1, 3, 7, 7)), 5).shape == (9, 75)
    assert im2col(np.zeros((10, 3, 7, 7)), 5).shape == (90, 75)
    assert pooling_rows(np.zeros((10, 3, 4, 4)), geometry((2, 2), stride=2)).shape == (120, 4)


@given(cases())
@settings(deadline=None, max_examples=60)
def test_col2im_is_the_transpose_of_im2col(case):
    x, w, _, how = case
    windows = {name: how[name] for name in ("stride", "padding", "dilation")}
    rows = im2col(x, w.shape[2:], **windows)
    other = np.random.default_rng(2).standard_normal(rows.shape)

    back = col2im(other, x.shape, w.shape[2:], **windows)

    np.testing.assert_allclose((rows * other).sum(), (x * back).sum(), rtol=1e-9, atol=1e-9)


@given(
    st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3)
)
def test_output_size_counts_the_places(n, kernel, stride, padding, dilation):
    covered = dilation * (kernel - 1) + 1
    firsts = range(0, n + 2 * padding - covered + 1, stride)
    windows = geometry((kernel,), stride=stride, padding=padding, dilation=dilation)
    if len(firsts) == 0:
        with pytest.raises(ShapeError, match="a window covers"):
            windows.output_size((n,))
        return
    assert windows.output_size((n,)) == (len(firsts),)
    lost = (n + 2 * padding - covered) % stride
    assert windows.transposed_size((len(firsts),), (lost,)) == (n,)


def test_float32_stays_float32():
    x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
    layer = Convolution(w, np.zeros(3, np.float32))
    y = layer.forward(x)
    dx = layer.backward(y)
    found = {one.dtype for one in (y, dx, *layer.gradients.values(), convolve_transposed(y, w))}
    assert found == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: convolve(x, np.ones((2, 2, 3, 3))),
            "weights of shape .* for maps of 3 channels",
        ),
        (lambda x: convolve(x, np.ones((2, 1, 3, 3)), groups=2), "in 2 groups for maps of 3"),
        (lambda x: convolve(x, np.ones((2, 3, 3, 3)), np.ones(3)), r"a bias of shape \[3\] for 2"),
        (lambda x: convolve(x, np.ones((2, 3, 9, 9))), "a window covers 9 x 9 .* has 5 x 5"),
        (lambda x: convolve(x, np.ones((2, 3, 3))), "kernel is .3,. for maps of 2 dimensions"),
        (lambda x: convolve(x[0, 0], np.ones((2, 3, 3))), r"maps of shape \[5, 5\]"),
        (lambda x: convolve(x, np.ones((2, 3, 3, 3)), stride=0), "stride is 0"),
        (lambda x: convolve(x, np.ones((2, 3, 3, 3)), stride=(1, 1, 1)), "stride is .1, 1, 1."),
        (lambda x: convolve_transposed(x, np.ones((2, 3, 3, 3))), "for maps of 3 channels"),
        (lambda x: convolve(x, np.ones((2, 3, 3, 3)), groups=0), "in 0 groups for maps of 3"),
        (lambda x: convolve_transposed(x, np.ones((3, 2, 3, 3)), groups=0), "in 0 groups"),
        (
            lambda x: convolve_transposed(x, np.ones((3, 2, 3, 3)), np.ones(1)),
            r"a bias of shape \[1\] for 2 outputs",
        ),
        (lambda x: col2im(np.ones((4, 4)), x.shape, 3), r"expected: 9 rows of 27"),
        (lambda x: geometry((3, 3)).output_size((5,)), "windows of 2 dimensions on a map of 1"),
        (
            lambda x: convolve_transposed(x, np.ones((3, 2, 3, 3)), stride=2, extra=2),
            "2 x 2 extra elements with stride 2 x 2",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call(np.ones((1, 3, 5, 5)))


def test_sizes_may_come_out_of_arrays():
    x, w = np.ones((1, 3, 5, 5)), np.ones((2, 3, 3, 3))
    assert convolve(x, w, stride=np.int64(2)).shape == (1, 2, 2, 2)
    assert convolve(x, w, stride=np.array([2, 1])).shape == (1, 2, 2, 3)
    assert geometry(np.int64(3)).kernel == (3,)
    with pytest.raises(TypeError, match="float"):
        convolve(x, w, stride=(1.5, 1.5))
