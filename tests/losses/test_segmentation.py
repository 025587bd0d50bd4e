import math

import pytest
import torch

from manako.errors import DataError, ShapeError
from manako.losses.segmentation import pixel_cross_entropy
from manako.structures import MaskTarget


def mask(rows):
    return MaskTarget(torch.tensor(rows, dtype=torch.uint8))


def random_logits(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 2, 2, generator=generator, dtype=dtype)


TARGETS = [mask([[0, 1], [2, 255]]), mask([[255, 255], [1, 1]])]


def test_pixel_cross_entropy_is_the_mean_over_the_known_pixels_of_the_batch():
    logits = random_logits()

    loss = pixel_cross_entropy(logits, TARGETS)

    losses = []
    for picture, target in enumerate(TARGETS):
        for y in range(2):
            for x in range(2):
                label = int(target.mask[y, x])
                if label != 255:
                    row = logits[picture, :, y, x].tolist()
                    losses.append(math.log(sum(math.exp(v) for v in row)) - row[label])
    assert len(losses) == 5
    assert float(loss["cross_entropy"]) == pytest.approx(sum(losses) / 5, rel=1e-9)


def test_where_all_pixels_are_unknown_loss_and_gradient_are_0():
    logits = random_logits().requires_grad_()

    loss = pixel_cross_entropy(logits, [mask([[255] * 2] * 2)] * 2)["cross_entropy"]
    loss.backward()

    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_gradients_are_right():
    logits = random_logits().requires_grad_()

    assert torch.autograd.gradcheck(
        lambda raw: pixel_cross_entropy(raw, TARGETS)["cross_entropy"], logits
    )


def test_half_precision_is_computed_in_float32():
    logits = random_logits(torch.float32).bfloat16()

    loss = pixel_cross_entropy(logits, TARGETS)["cross_entropy"]

    assert loss.dtype == torch.float32
    assert torch.equal(loss, pixel_cross_entropy(logits.float(), TARGETS)["cross_entropy"])


def test_what_does_not_fit_is_refused():
    logits = random_logits()

    with pytest.raises(ShapeError, match=r"logits must have shape \(B, K, H, W\), not \(2, 3\)"):
        pixel_cross_entropy(torch.zeros(2, 3), TARGETS)
    with pytest.raises(ShapeError, match=r"a mask of \(1, 2\) pixels for logits of \(2, 2\)"):
        pixel_cross_entropy(logits, [mask([[0, 0]]), TARGETS[1]])
    with pytest.raises(DataError, match="pixels of class 7, the network 3 classes"):
        pixel_cross_entropy(logits, [mask([[0, 7], [0, 255]]), TARGETS[1]])
    with pytest.raises(DataError, match="picture 2 of 2 has no truth"):
        pixel_cross_entropy(logits, [TARGETS[0], None])
