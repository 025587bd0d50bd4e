"""Cross-entropy of a picture's class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from manako.errors import DataError, ShapeError, UsageError
from manako.losses.precision import at_least_float32
from manako.ops.truths import expect_truths
from manako.structures import ClassTarget, Target


def cross_entropy(
    logits: Tensor,
    targets: Sequence[Target | None],
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean of -log p(truth) over B pictures, as {"cross_entropy": scalar}.

    Args:
        logits: [B, K], B at least 1.
        targets: B of `ClassTarget`.
        label_smoothing: the share of the truth that is spread evenly over all K classes (Szegedy
            et al. 2016, https://arxiv.org/abs/1512.00567, section 7); 0 <= share < 1.
        class_weights: [K]; the mean is then weighted by the weight of each picture's class.

    Raises:
        ShapeError: logits or weights of another shape.
        DataError: a picture without truth or of a class that the network does not have.
        UsageError: a smoothing outside its range, or targets of another kind.

    >>> loss = cross_entropy(torch.tensor([[0.0, 0.0]]), [ClassTarget(1)])
    >>> round(float(loss["cross_entropy"]), 4)
    0.6931
    """
    if logits.ndim != 2 or len(logits) == 0:
        raise ShapeError(f"logits must have shape (B, K), not {tuple(logits.shape)}")
    if not 0 <= label_smoothing < 1:
        raise UsageError(
            f"a label smoothing of {label_smoothing}", expected="a number from 0 to below 1"
        )
    pictures, classes = logits.shape
    if class_weights is not None and class_weights.shape != (classes,):
        raise ShapeError(
            f"class_weights must have shape ({classes},), not {tuple(class_weights.shape)}"
        )
    labels = [truth.label for truth in expect_truths(targets, ClassTarget, pictures)]
    if max(labels) >= classes:
        raise DataError(
            f"class {max(labels)} for a network of {classes} classes",
            expected=f"classes 0 to {classes - 1}",
        )
    logits = at_least_float32(logits)
    loss = F.cross_entropy(
        logits,
        torch.tensor(labels, device=logits.device),
        weight=None if class_weights is None else class_weights.to(logits),
        label_smoothing=label_smoothing,
    )
    return {"cross_entropy": loss}
