import math

import pytest
import torch

from manako.errors import DataError, ShapeError, UsageError
from manako.losses.classification import cross_entropy
from manako.structures import ClassTarget, MaskTarget


def random_logits(pictures=5, classes=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(pictures, classes, generator=generator, dtype=dtype) * 3


def by_definition(logits, labels, smoothing=0.0, weights=None):
    """The mean over pictures of the cross-entropy with the smoothed truth, class by class."""
    classes = logits.shape[1]
    weights = weights or [1.0] * classes
    total = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        log_sum = math.log(sum(math.exp(value) for value in row))
        for other, value in enumerate(row):
            share = smoothing / classes + (1 - smoothing) * (other == label)
            total -= weights[other] * share * (value - log_sum)
    return total / sum(weights[label] for label in labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0]])
def test_cross_entropy_equals_the_definition(smoothing, weights):
    logits, labels = random_logits(), [0, 3, 3, 1, 2]

    loss = cross_entropy(
        logits,
        [ClassTarget(label) for label in labels],
        label_smoothing=smoothing,
        class_weights=None if weights is None else torch.tensor(weights),
    )

    assert list(loss) == ["cross_entropy"]
    assert float(loss["cross_entropy"]) == pytest.approx(
        by_definition(logits, labels, smoothing, weights), rel=1e-9
    )


def test_half_precision_is_computed_in_float32():
    logits = random_logits(dtype=torch.float32).bfloat16()
    targets = [ClassTarget(0)] * 5

    loss = cross_entropy(logits, targets)["cross_entropy"]

    assert loss.dtype == torch.float32
    assert torch.equal(loss, cross_entropy(logits.float(), targets)["cross_entropy"])


def test_gradients_are_right():
    logits = random_logits().requires_grad_()
    targets = [ClassTarget(label) for label in (0, 3, 3, 1, 2)]

    assert torch.autograd.gradcheck(
        lambda raw: cross_entropy(raw, targets, label_smoothing=0.1)["cross_entropy"], logits
    )


@pytest.mark.parametrize("shape", [(3,), (0, 3), (1, 3, 2)])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match=r"logits must have shape \(B, K\), not \("):
        cross_entropy(torch.zeros(shape), [])


def test_what_does_not_fit_is_refused():
    logits, targets = torch.zeros(1, 3), [ClassTarget(0)]

    with pytest.raises(DataError, match=r"class 3 for a network of 3 classes(.|\n)*0 to 2"):
        cross_entropy(logits, [ClassTarget(3)])
    with pytest.raises(DataError, match="picture 1 of 1 has no truth"):
        cross_entropy(logits, [None])
    with pytest.raises(UsageError, match="has a MaskTarget"):
        cross_entropy(logits, [MaskTarget(torch.zeros(1, 1, dtype=torch.uint8))])
    with pytest.raises(UsageError, match="a label smoothing of 1"):
        cross_entropy(logits, targets, label_smoothing=1.0)
    with pytest.raises(ShapeError, match=r"class_weights must have shape \(3,\), not \(2,\)"):
        cross_entropy(logits, targets, class_weights=torch.ones(2))
