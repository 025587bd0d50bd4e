"""Optimizers against PyTorch's, and the small network on pictures that it can learn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from manako.errors import ShapeError
from manako.textbook.gradients import numerical_gradient
from manako.textbook.layers import Affine
from manako.textbook.losses import SoftmaxCrossEntropy
from manako.textbook.networks import SimpleConvNet, batches
from manako.textbook.optimizers import SGD, Adam

OPTIMIZERS = {
    "sgd": (lambda: SGD(0.1), lambda w: torch.optim.SGD(w, 0.1)),
    "momentum": (
        lambda: SGD(0.1, momentum=0.9, decay=0.01),
        lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, weight_decay=0.01),
    ),
    "adam": (
        lambda: Adam(0.1, betas=(0.8, 0.95), decay=0.01),
        lambda w: torch.optim.Adam(w, 0.1, betas=(0.8, 0.95), weight_decay=0.01),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name):
    generator = np.random.default_rng(0)
    layers = [Affine(generator.standard_normal((3, 2)), np.zeros(2)) for _ in range(2)]
    weights = [one for layer in layers for one in layer.parameters.values()]
    tensors = [torch.from_numpy(one.copy()).requires_grad_() for one in weights]
    ours, theirs = OPTIMIZERS[name][0](), OPTIMIZERS[name][1](tensors)
    for _ in range(5):
        gradients = [generator.standard_normal(one.shape) for one in weights]
        for layer, (dw, db) in zip(layers, (gradients[:2], gradients[2:]), strict=True):
            layer.gradients = {"weights": dw, "bias": db}
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = torch.from_numpy(gradient)
        ours.step(layers)
        theirs.step()
    for mine, other in zip(weights, tensors, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-12)


def test_gradients_of_the_whole_network_are_those_of_differences():
    network = SimpleConvNet((2, 6, 6), classes=3, filters=2, kernel=3, hidden=4)
    for layer in network.layers:  # differences need float64
        layer.parameters = {key: one.astype(float) for key, one in layer.parameters.items()}
    generator = np.random.default_rng(0)
    images, labels = generator.standard_normal((3, 2, 6, 6)), np.array([0, 2, 1])

    class Nothing:
        def step(self, layers):
            pass

    network.train_step(images, labels, Nothing())

    def loss():
        return SoftmaxCrossEntropy().forward(network.predict(images), labels)

    checked = 0
    for layer in network.layers:
        for key, gradient in layer.gradients.items():
            expected = numerical_gradient(loss, layer.parameters[key])
            np.testing.assert_allclose(gradient, expected, atol=1e-8)
            checked += 1
    assert checked == 6


def bars(count, generator):
    """Pictures with a bright row or a bright column, and which."""
    labels = generator.integers(0, 2, count)
    images = generator.normal(0, 0.3, (count, 1, 12, 12)).astype(np.float32)
    for image, label, at in zip(
        images[:, 0], labels, generator.integers(2, 10, count), strict=True
    ):
        (image if label else image.T)[at] += 1
    return images, labels


def test_it_learns_rows_from_columns():
    generator = np.random.default_rng(0)
    images, labels = bars(400, generator)
    network = SimpleConvNet((1, 12, 12), classes=2, filters=8, hidden=16)
    optimizer = Adam(0.003)
    losses = [
        network.train_step(images[batch], labels[batch], optimizer)
        for _ in range(6)
        for batch in batches(len(images), 50, generator)
    ]
    assert np.mean(losses[-8:]) < 0.2 * losses[0]
    assert network.accuracy(*bars(400, generator)) > 0.97
    assert {one.dtype for layer in network.layers for one in layer.parameters.values()} == {
        np.dtype(np.float32)
    }


def test_the_same_seed_is_the_same_network():
    images = np.ones((3, 1, 8, 8), np.float32)
    first, again, other = (
        SimpleConvNet((1, 8, 8), classes=2, seed=seed).predict(images) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_are_every_picture_once():
    found = list(batches(10, 4, np.random.default_rng(0)))
    assert [len(one) for one in found] == [4, 4, 2]
    assert sorted(np.concatenate(found)) == list(range(10))


def test_the_textbook_needs_numpy_alone():
    code = (
        "import sys, pkgutil, importlib, manako.textbook as book\n"
        "for one in pkgutil.iter_modules(book.__path__):\n"
        "    importlib.import_module(f'manako.textbook.{one.name}')\n"
        "known = {'manako', 'numpy', *sys.stdlib_module_names}\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - known))\n"
    )
    bare = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; print(*{one.partition('.')[0] for one in sys.modules})",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(eval(found.stdout)) <= set(bare.stdout.split())


def test_no_pictures_are_refused():
    network = SimpleConvNet((1, 8, 8), classes=2, kernel=3)
    with pytest.raises(ShapeError, match="no images"):
        network.predict(np.zeros((0, 1, 8, 8), np.float32))
