"""Layers of the textbook against PyTorch's, and their gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.textbook.gradients import numerical_gradient
from manako.textbook.layers import (
    Affine,
    BatchNorm,
    Dropout,
    LayerNorm,
    ReLU,
    Sigmoid,
    he_normal,
)

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.standard_normal(shape)


LAYERS = {
    "affine": (lambda: Affine(normal(12, 5), normal(5)), (3, 3, 4)),
    "relu": (ReLU, (3, 4)),
    "sigmoid": (Sigmoid, (3, 4)),
    "batch norm of maps": (lambda: BatchNorm(normal(3), normal(3)), (4, 3, 2, 5)),
    "batch norm of rows": (lambda: BatchNorm(normal(3), normal(3)), (6, 3)),
    "layer norm": (lambda: LayerNorm(normal(5), normal(5)), (2, 3, 5)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_differences(name, training):
    make, shape = LAYERS[name]
    layer, x = make(), normal(*shape)
    dy = normal(*layer.forward(x, training=training).shape)
    dx = layer.backward(dy)
    gradients = dict(layer.gradients)
    before = dict(vars(layer))

    def loss():
        vars(layer).update(before)  # running statistics as they were
        return (layer.forward(x, training=training) * dy).sum()

    assert set(gradients) == set(layer.parameters)
    np.testing.assert_allclose(dx, numerical_gradient(loss, x), atol=1e-7)
    for key, gradient in gradients.items():
        expected = numerical_gradient(loss, layer.parameters[key])
        np.testing.assert_allclose(gradient, expected, atol=1e-7)


def torch_of(layer, x, name):
    """What torch makes of the same input: the output, and the same parameters."""
    copies = (torch.from_numpy(one.copy()) for one in layer.parameters.values())
    parameters = [one.requires_grad_() for one in copies]
    match name:
        case "affine":
            y = x.flatten(1) @ parameters[0] + parameters[1]
        case "relu":
            y = functional.relu(x)
        case "sigmoid":
            y = torch.sigmoid(x)
        case "batch norm of maps" | "batch norm of rows":
            y = functional.batch_norm(x, None, None, *parameters, training=True)
        case "layer norm":
            y = functional.layer_norm(x, x.shape[-1:], *parameters)
    return y, parameters


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_torchs(name):
    make, shape = LAYERS[name]
    layer, x = make(), normal(*shape)
    tensor = torch.from_numpy(x).requires_grad_()
    expected, parameters = torch_of(layer, tensor, name)
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-10)
    dy = normal(*y.shape)
    expected.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(layer.backward(dy), tensor.grad.numpy(), atol=1e-10)
    for ours, theirs in zip(layer.gradients.values(), parameters, strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), atol=1e-10)


def test_batch_norm_is_torchs_while_training_and_after():
    gamma, beta = normal(3), normal(3)
    ours = BatchNorm(gamma, beta)
    theirs = nn.BatchNorm2d(3).double()
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(gamma))
        theirs.bias.copy_(torch.from_numpy(beta))
    for _ in range(3):
        x, dy = 3 * normal(4, 3, 5, 2) + 1, normal(4, 3, 5, 2)
        tensor = torch.from_numpy(x).requires_grad_()
        expected = theirs(tensor)
        expected.backward(torch.from_numpy(dy))
        found = ours.forward(x, training=True)
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-10)
        np.testing.assert_allclose(ours.backward(dy), tensor.grad.numpy(), atol=1e-10)
    np.testing.assert_allclose(ours.running_mean, theirs.running_mean.numpy(), atol=1e-10)
    np.testing.assert_allclose(ours.running_variance, theirs.running_var.numpy(), atol=1e-10)
    x = normal(2, 3, 4, 4)
    expected = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.forward(x), expected, atol=1e-10)


def test_sigmoid_does_not_overflow():
    assert Sigmoid().forward(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_dropout_keeps_the_mean_and_is_not_there_in_prediction():
    layer, x = Dropout(0.25, np.random.default_rng(0)), np.ones((400, 400), np.float32)
    y = layer.forward(x, training=True)
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(layer.backward(x), y)  # the gradient goes where values went
    assert layer.forward(x) is not y
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


def test_weights_start_so_that_relu_keeps_the_size():
    weights = he_normal((500, 20, 3, 3), np.random.default_rng(0))
    assert weights.dtype == np.float32
    assert weights.std() == pytest.approx((2 / 180) ** 0.5, rel=0.01)


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="dropout of 1"):
        Dropout(1.0, np.random.default_rng(0))
    with pytest.raises(ShapeError, match="batch norm of one value a channel"):
        BatchNorm(np.ones(3), np.zeros(3)).forward(np.ones((1, 3)), training=True)


def test_differences_need_float64():
    with pytest.raises(UsageError, match="differences in float32"):
        numerical_gradient(lambda: 0.0, np.ones(1, np.float32))
