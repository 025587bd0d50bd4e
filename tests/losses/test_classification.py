import math

import pytest
import torch
from torch.nn import functional as F

from manako.errors import DataError, ShapeError, UsageError
from manako.losses.classification import binary_cross_entropy, cross_entropy, with_auxiliary
from manako.structures import ClassRaw, ClassTarget, LabelsTarget, MaskTarget, MixedTarget


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


def test_shares_and_smoothing_are_those_of_torch():
    logits = random_logits()
    targets = [
        ClassTarget(0), MixedTarget(3, 1, 0.7), MixedTarget(2, 2, 0.4), MixedTarget(0, 3, 0.0),
        MixedTarget(1, 0, 1.0),
    ]  # fmt: skip
    shares = torch.tensor(
        [[1, 0, 0, 0], [0, 0.3, 0, 0.7], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]],
        dtype=torch.float64,
    )

    for smoothing in (0.0, 0.2):
        loss = cross_entropy(logits, targets, label_smoothing=smoothing)["cross_entropy"]
        theirs = F.cross_entropy(logits, shares, label_smoothing=smoothing)
        torch.testing.assert_close(loss, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_shares_follow_the_definition(smoothing):
    logits, weights = random_logits(), torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    targets = [MixedTarget(0, 3, 0.25), ClassTarget(2), *[MixedTarget(1, 2, 0.5)] * 3]
    truth = torch.tensor(
        [[0.25, 0, 0, 0.75], [0, 0, 1, 0], *[[0, 0.5, 0.5, 0]] * 3], dtype=torch.float64
    )
    wanted = truth * (1 - smoothing) + smoothing / 4
    by_hand = -(weights * wanted * logits.log_softmax(1)).sum() / (weights * truth).sum()

    loss = cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=weights)

    torch.testing.assert_close(loss["cross_entropy"], by_hand)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 3.0])])
def test_a_share_of_one_is_a_class(weights):
    logits, labels = random_logits(), (0, 3, 3, 1, 2)
    options = {"label_smoothing": 0.1, "class_weights": weights}

    plain = cross_entropy(logits, [ClassTarget(label) for label in labels], **options)
    mixed = cross_entropy(logits, [MixedTarget(label, 0, 1.0) for label in labels], **options)

    torch.testing.assert_close(plain, mixed)


@pytest.mark.parametrize("target", [ClassTarget(1), MixedTarget(1, 1, 0.5)])
def test_classes_of_weight_zero_teach_nothing(target):
    logits = torch.zeros(2, 3, requires_grad=True)
    weights = torch.tensor([1.0, 0.0, 1.0])

    loss = cross_entropy(logits, [target, target], class_weights=weights)["cross_entropy"]
    loss.backward()

    assert float(loss.detach()) == 0
    assert float(logits.grad.abs().max()) == 0


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.0, 3.0])])
def test_binary_cross_entropy_equals_torch_and_the_definition(weights):
    logits = random_logits(pictures=3)
    targets = [LabelsTarget(()), LabelsTarget((0, 1, 2, 3)), LabelsTarget((1, 3))]
    shown = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=torch.float64)
    each = torch.ones(4) if weights is None else weights
    by_hand = -(
        each * shown * logits.sigmoid().log() + (1 - shown) * (1 - logits.sigmoid()).log()
    ).mean()

    loss = binary_cross_entropy(logits, targets, class_weights=weights)["binary_cross_entropy"]

    theirs = F.binary_cross_entropy_with_logits(
        logits, shown, pos_weight=None if weights is None else weights.double()
    )
    torch.testing.assert_close(loss, theirs)
    torch.testing.assert_close(loss, by_hand)


def test_pictures_that_show_nothing_are_learned_too():
    loss = binary_cross_entropy(torch.zeros(2, 3), [LabelsTarget(()), LabelsTarget(())])

    assert float(loss["binary_cross_entropy"]) == pytest.approx(math.log(2))


def test_gradients_of_mixed_and_of_several_labels_are_right():
    logits = random_logits(pictures=2).requires_grad_()
    mixed = [MixedTarget(0, 2, 0.25), ClassTarget(1)]
    several = [LabelsTarget((0, 3)), LabelsTarget(())]
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)

    assert torch.autograd.gradcheck(
        lambda raw: cross_entropy(raw, mixed, class_weights=weights)["cross_entropy"], logits
    )
    assert torch.autograd.gradcheck(
        lambda raw: binary_cross_entropy(raw, several)["binary_cross_entropy"], logits
    )


def test_what_does_not_fit_is_refused_for_shares_and_several_labels_too():
    logits = torch.zeros(1, 3)

    with pytest.raises(DataError, match="class 3 for a network of 3 classes"):
        cross_entropy(logits, [MixedTarget(0, 3, 0.5)])
    with pytest.raises(UsageError, match="has a LabelsTarget"):
        cross_entropy(logits, [LabelsTarget((1,))])
    with pytest.raises(DataError, match="class 4 for a network of 3 classes"):
        binary_cross_entropy(logits, [LabelsTarget((0, 4))])
    with pytest.raises(UsageError, match=r"has a ClassTarget(.|\n)*a LabelsTarget for each"):
        binary_cross_entropy(logits, [ClassTarget(1)])
    with pytest.raises(DataError, match="picture 1 of 1 has no truth"):
        binary_cross_entropy(logits, [None])
    with pytest.raises(ShapeError, match=r"class_weights must have shape \(3,\)"):
        binary_cross_entropy(logits, [LabelsTarget(())], class_weights=torch.ones(4))
    with pytest.raises(ShapeError, match="logits must have shape"):
        binary_cross_entropy(torch.zeros(3), [])


def test_auxiliary_logits_add_three_tenths_of_their_losses():
    logits, labels = random_logits(pictures=6), [0, 3, 3, 1, 2, 0]
    answer, *inner = logits, logits.flip(0), 2 * logits
    targets = [ClassTarget(label) for label in labels]

    losses = with_auxiliary(
        ClassRaw(answer, tuple(inner)), lambda one: cross_entropy(one, targets, label_smoothing=0.1)
    )

    assert list(losses) == ["cross_entropy", "auxiliary"]
    expected = [by_definition(one, labels, 0.1) for one in (answer, *inner)]
    assert float(losses["cross_entropy"]) == pytest.approx(expected[0], rel=1e-9)
    assert float(losses["auxiliary"]) == pytest.approx(0.3 * sum(expected[1:]), rel=1e-9)


@pytest.mark.parametrize("wrap", [ClassRaw, lambda logits: logits])
def test_without_auxiliary_logits_the_loss_stands_alone(wrap):
    logits = random_logits()

    losses = with_auxiliary(wrap(logits), lambda one: {"loss": one.sum()})

    assert losses == {"loss": logits.sum()}
