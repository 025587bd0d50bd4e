"""Cross-entropy of the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from manako.errors import DataError, ShapeError
from manako.losses.precision import at_least_float32
from manako.ops.truths import expect_truths
from manako.structures import IGNORE, MaskTarget, Target


def pixel_cross_entropy(logits: Tensor, targets: Sequence[Target | None]) -> dict[str, Tensor]:
    """Mean of -log p(truth) over all pixels of the batch, as {"cross_entropy": scalar}.

    Args:
        logits: [B, K, H, W].
        targets: B of `MaskTarget` of [H, W]; pixels of `IGNORE` (255) do not count. Where all of
            them are ignored the loss is 0, with gradients of 0.

    Raises:
        ShapeError: logits of another shape, or a mask of another size than the logits.
        DataError: a picture without truth, or a pixel of a class that the network does not have.

    >>> mask = torch.tensor([[0, 255]], dtype=torch.uint8)
    >>> loss = pixel_cross_entropy(torch.zeros(1, 2, 1, 2), [MaskTarget(mask)])
    >>> round(float(loss["cross_entropy"]), 4)
    0.6931
    """
    if logits.ndim != 4:
        raise ShapeError(f"logits must have shape (B, K, H, W), not {tuple(logits.shape)}")
    pictures, classes, height, width = logits.shape
    masks = [truth.mask for truth in expect_truths(targets, MaskTarget, pictures)]
    for mask in masks:
        if mask.shape != (height, width):
            raise ShapeError(
                f"a mask of {tuple(mask.shape)} pixels for logits of ({height}, {width})"
            )
    labels = torch.stack(masks).to(logits.device)
    known = labels != IGNORE
    worst = int(torch.where(known, labels, 0).max())
    if worst >= classes:
        raise DataError(
            f"a mask has pixels of class {worst}, the network {classes} classes",
            expected=f"classes 0 to {classes - 1}, and {IGNORE} for pixels to ignore",
        )
    # Summed here and not by torch: its own sum over pixels depends on the order of GPU threads.
    losses = F.cross_entropy(
        at_least_float32(logits), labels.long(), ignore_index=IGNORE, reduction="none"
    )
    return {"cross_entropy": losses.sum() / known.sum().clamp(min=1)}
