"""The textbook: its convolution beside seven loops and beside PyTorch, and its network on MNIST.

Convolutions are forward and backward of a layer in the middle of such a network, in float32, in
turns in one process; the seven loops do one picture, forward alone, and count for as many.
SimpleConvNet learns MNIST with NumPy alone: only the pictures are read by manako.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from record import prove, shared

BATCH, CHANNELS, OUTPUTS, SIDE, KERNEL = 32, 16, 32, 28, 3
TURNS = 9
LOOPS_AT_LEAST = 100
ACCURACY_AT_LEAST, MINUTES_AT_MOST = 0.985, 3.0
EPOCHS, BATCH_OF_DIGITS, RATE = 3, 100, 1e-3


def seven_loops(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The definition, as it is said: a sum for every output, no padding, stride 1."""
    count, channels, height, width = x.shape
    outputs, _, kernel, _ = weights.shape
    y = np.zeros((count, outputs, height - kernel + 1, width - kernel + 1))
    for b in range(count):
        for o in range(outputs):
            for i in range(height - kernel + 1):
                for j in range(width - kernel + 1):
                    for c in range(channels):
                        for u in range(kernel):
                            for v in range(kernel):
                                y[b, o, i, j] += x[b, c, i + u, j + v] * weights[o, c, u, v]
    return y


def seconds_of(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def convolutions() -> dict[str, object]:
    """Seconds of the three, and how many times one is as fast as another."""
    import torch
    from torch.nn import functional

    from manako.textbook.convolution import convolve
    from manako.textbook.layers import Convolution

    random = np.random.default_rng(0)
    x = random.standard_normal((BATCH, CHANNELS, SIDE, SIDE)).astype(np.float32)
    weights = random.standard_normal((OUTPUTS, CHANNELS, KERNEL, KERNEL)).astype(np.float32)
    layer = Convolution(weights, np.zeros(OUTPUTS, np.float32))
    dy = random.standard_normal(layer.forward(x).shape).astype(np.float32)
    tensors = [torch.from_numpy(one).requires_grad_() for one in (x, weights)]
    their_dy = torch.from_numpy(dy)

    def theirs_both() -> None:
        torch.autograd.grad(functional.conv2d(*tensors), tensors, their_dy)

    def ours_both() -> None:
        layer.forward(x)
        layer.backward(dy)

    steps: dict[str, Callable[[], object]] = {
        "ours_forward": lambda: convolve(x, weights),
        "torch_forward": lambda: functional.conv2d(*tensors),
        "ours_both": ours_both,
        "torch_both": theirs_both,
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(TURNS + 1):
        for name, step in steps.items():
            if turn:
                seconds[name].append(seconds_of(step))
            else:
                step()
    middle = {name: statistics.median(one) for name, one in seconds.items()}
    loops = BATCH * seconds_of(lambda: seven_loops(x[:1], weights))
    assert np.allclose(seven_loops(x[:1], weights), convolve(x[:1], weights), atol=1e-3)
    ratio = loops / middle["ours_forward"]
    return {
        "maps": [BATCH, CHANNELS, SIDE, SIDE],
        "filters": [OUTPUTS, CHANNELS, KERNEL, KERNEL],
        "forward_milliseconds": round(1000 * middle["ours_forward"], 2),
        "times_as_fast_as_seven_loops": round(ratio),
        "times_at_least": LOOPS_AT_LEAST,
        "torch_is_times_as_fast_forward": round(
            middle["ours_forward"] / middle["torch_forward"], 1
        ),
        "torch_is_times_as_fast_with_backward": round(
            middle["ours_both"] / middle["torch_both"], 1
        ),
        "reached": ratio >= LOOPS_AT_LEAST,
    }


def mnist(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures float32 [N, 1, 28, 28] from 0 to 1, and their labels."""
    from manako.data.dataset import load_sample
    from manako.data.formats import read_dataset
    from manako.structures import ClassTarget

    dataset = read_dataset(shared("mnist.tar.gz"))
    items = dataset.split(split)
    images = np.empty((len(items), 1, 28, 28), np.float32)
    labels = np.empty(len(items), np.int64)
    for at, item in enumerate(items):
        images[at] = load_sample(dataset.files, item, channels=1).image.numpy() / 255
        assert isinstance(item.truth, ClassTarget)
        labels[at] = item.truth.label
    return images, labels


def network() -> dict[str, object]:
    """SimpleConvNet on MNIST: 60,000 pictures to learn from, 10,000 to be tested on once."""
    from scipy.stats import binomtest

    from manako.textbook.networks import SimpleConvNet, batches
    from manako.textbook.optimizers import Adam

    images, labels = mnist("train")
    held_out = mnist("test")
    start = time.perf_counter()
    made = SimpleConvNet((1, 28, 28), classes=10)
    optimizer, random = Adam(RATE), np.random.default_rng(0)
    for epoch in range(EPOCHS):
        losses = [
            made.train_step(images[chosen], labels[chosen], optimizer)
            for chosen in batches(len(images), BATCH_OF_DIGITS, random)
        ]
        print(f"epoch {epoch + 1}: loss {statistics.mean(losses):.4f}", flush=True)
    minutes = (time.perf_counter() - start) / 60
    accuracy = made.accuracy(*held_out)
    right = round(accuracy * len(held_out[1]))
    low, high = binomtest(right, len(held_out[1])).proportion_ci(method="wilson")
    return {
        "accuracy": round(accuracy, 4),
        "interval": [round(low, 4), round(high, 4)],
        "accuracy_at_least": ACCURACY_AT_LEAST,
        "training_minutes": round(minutes, 2),
        "minutes_at_most": MINUTES_AT_MOST,
        "epochs": EPOCHS,
        "weights": sum(
            math.prod(one.shape) for layer in made.layers for one in layer.parameters.values()
        ),
        "reached": accuracy >= ACCURACY_AT_LEAST and minutes <= MINUTES_AT_MOST,
    }


if __name__ == "__main__":
    found = [prove("textbook-convolution", convolutions), prove("textbook-network", network)]
    sys.exit(0 if all(one["reached"] for one in found) else 8)
