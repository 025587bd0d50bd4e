"""Cross-entropy of a picture's class, and of each class that it may show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from manako.errors import DataError, ShapeError, UsageError
from manako.losses.precision import at_least_float32
from manako.ops.truths import expect_truths
from manako.structures import ClassRaw, ClassTarget, LabelsTarget, MixedTarget, Target

AUXILIARY_WEIGHT = 0.3
"""Szegedy et al. 2014 (https://arxiv.org/abs/1409.4842), section 5."""


def with_auxiliary(
    raw: Tensor | ClassRaw, loss: Callable[[Tensor], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """`loss` of the logits; where there are auxiliary ones also their share, as "auxiliary".

    That is the sum of the same loss over all auxiliary classifiers, times `AUXILIARY_WEIGHT`.

    >>> raw = ClassRaw(torch.zeros(1, 2), (torch.zeros(1, 2), torch.zeros(1, 2)))
    >>> with_auxiliary(raw, lambda logits: cross_entropy(logits, [ClassTarget(1)]))
    {'cross_entropy': tensor(0.6931), 'auxiliary': tensor(0.4159)}
    """
    raw = ClassRaw.of(raw)
    losses = loss(raw.logits)
    if not raw.auxiliary:
        return losses
    others = [one for logits in raw.auxiliary for one in loss(logits).values()]
    return {**losses, "auxiliary": AUXILIARY_WEIGHT * torch.stack(others).sum()}


def cross_entropy(
    logits: Tensor,
    targets: Sequence[Target | None],
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean of -log p(truth) over B pictures, as {"cross_entropy": scalar}.

    With t the truth of a picture (1 at its class, or the shares of a `MixedTarget`), w the class
    weights, s the smoothing and q = (1 - s) t + s / K, the loss is

        - sum over pictures and classes of w_k q_k log p_k / sum over both of w_k t_k

    which is torch's for classes, and for shares without weights; 0 where all weights are 0.

    Args:
        logits: [B, K], B at least 1.
        targets: B of `ClassTarget` or `MixedTarget`.
        label_smoothing: the share of the truth that is spread evenly over all K classes (Szegedy
            et al. 2016, https://arxiv.org/abs/1512.00567, section 7); 0 <= share < 1.
        class_weights: [K], 0 or more.

    Raises:
        ShapeError: logits or weights of another shape.
        DataError: a picture without truth or of a class that the network does not have.
        UsageError: a smoothing outside its range, or targets of another kind.

    >>> loss = cross_entropy(torch.tensor([[0.0, 0.0]]), [ClassTarget(1)])
    >>> round(float(loss["cross_entropy"]), 4)
    0.6931
    """
    pictures, classes = _shape(logits)
    if not 0 <= label_smoothing < 1:
        raise UsageError(
            f"a label smoothing of {label_smoothing}", expected="a number from 0 to below 1"
        )
    weights = _weights(class_weights, logits)
    logits = at_least_float32(logits)
    if not any(isinstance(target, MixedTarget) for target in targets):
        labels = [truth.label for truth in expect_truths(targets, ClassTarget, pictures)]
        _refuse_unknown(labels, classes)
        wanted = torch.tensor(labels, device=logits.device)
        if weights is not None and weights[wanted].sum() == 0:
            return {"cross_entropy": logits.sum() * 0}
        loss = F.cross_entropy(logits, wanted, weight=weights, label_smoothing=label_smoothing)
        return {"cross_entropy": loss}
    shares = _shares(targets, logits)
    loss = F.cross_entropy(
        logits, shares, weight=weights, label_smoothing=label_smoothing, reduction="sum"
    )
    if weights is None:
        return {"cross_entropy": loss / pictures}
    total = (shares * weights).sum()
    return {"cross_entropy": loss / total if total > 0 else logits.sum() * 0}


def binary_cross_entropy(
    logits: Tensor,
    targets: Sequence[Target | None],
    *,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean over B pictures and K classes of the loss of "shown or not", as
    {"binary_cross_entropy": scalar}.

    The loss of one logit z is - w_k log sigmoid(z) where the picture shows class k, and
    - log sigmoid(-z) where it does not.

    Args:
        logits: [B, K], B at least 1.
        targets: B of `LabelsTarget`.
        class_weights: [K], how much more a class counts where it is shown; 0 or more.

    Raises:
        ShapeError: logits or weights of another shape.
        DataError: a picture without truth or with a class that the network does not have.
        UsageError: targets of another kind.

    >>> loss = binary_cross_entropy(torch.tensor([[0.0, 0.0]]), [LabelsTarget((1,))])
    >>> round(float(loss["binary_cross_entropy"]), 4)
    0.6931
    """
    pictures, classes = _shape(logits)
    weights = _weights(class_weights, logits)
    truths = expect_truths(targets, LabelsTarget, pictures)
    _refuse_unknown([label for truth in truths for label in truth.labels], classes)
    logits = at_least_float32(logits)
    shown = torch.zeros(logits.shape)
    pairs = [(row, label) for row, truth in enumerate(truths) for label in truth.labels]
    if pairs:
        shown[tuple(torch.tensor(pairs).T)] = 1.0
    loss = F.binary_cross_entropy_with_logits(logits, shown.to(logits), pos_weight=weights)
    return {"binary_cross_entropy": loss}


def _shape(logits: Tensor) -> tuple[int, int]:
    if logits.ndim != 2 or len(logits) == 0:
        raise ShapeError(f"logits must have shape (B, K), not {tuple(logits.shape)}")
    return len(logits), logits.shape[1]


def _weights(class_weights: Tensor | None, logits: Tensor) -> Tensor | None:
    if class_weights is None:
        return None
    classes = logits.shape[1]
    if class_weights.shape != (classes,):
        raise ShapeError(
            f"class_weights must have shape ({classes},), not {tuple(class_weights.shape)}"
        )
    return class_weights.to(at_least_float32(logits))


def _refuse_unknown(labels: Sequence[int], classes: int) -> None:
    if labels and max(labels) >= classes:
        raise DataError(
            f"class {max(labels)} for a network of {classes} classes",
            expected=f"classes 0 to {classes - 1}",
        )


def _shares(targets: Sequence[Target | None], logits: Tensor) -> Tensor:
    """How much of each picture is of each class, [B, K]; every row sums to 1."""
    mixed = [
        MixedTarget(one.label, one.label, 1.0) if isinstance(one, ClassTarget) else one
        for one in targets
    ]
    truths = expect_truths(mixed, MixedTarget, len(logits))
    _refuse_unknown([max(truth.label, truth.other) for truth in truths], logits.shape[1])
    labels = torch.tensor([(truth.label, truth.other) for truth in truths])
    parts = torch.tensor([(truth.share, 1 - truth.share) for truth in truths])
    shares = torch.zeros(logits.shape).scatter_add_(1, labels, parts)
    return shares.to(logits)
