"""Logits to the probability of each label by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from manako.decoders.classification import expect_temperature
from manako.decoders.finite import expect_finite
from manako.errors import ShapeError
from manako.structures import LabelsPrediction
from manako.structures.predictions import LABEL_FROM


def label_probabilities(logits: Tensor, *, temperature: float = 1.0) -> list[LabelsPrediction]:
    """The sigmoid of logits [B, K] divided by `temperature`, picture by picture, in float32.

    A class whose logit is negative stays below one half, at every temperature.

    Raises:
        ShapeError: logits of another shape.
        NumericError: logits that are not finite.
        UsageError: a temperature that is not positive.

    >>> label_probabilities(torch.tensor([[0.0, 9.0]]))[0].probabilities
    tensor([0.5000, 0.9999])
    """
    if logits.ndim != 2:
        raise ShapeError(f"logits must have shape (B, K), not {tuple(logits.shape)}")
    logits = expect_finite(logits, "logits")
    probabilities = torch.sigmoid(logits / expect_temperature(temperature))
    rounded_up = (logits < 0) & (probabilities >= LABEL_FROM)
    below = torch.nextafter(torch.tensor(LABEL_FROM), torch.tensor(0.0)).to(logits.device)
    return [LabelsPrediction(row) for row in torch.where(rounded_up, below, probabilities).cpu()]
