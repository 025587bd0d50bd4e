"""What every metric does, and the checks that all of them make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manako.errors import NumericError, ShapeError, UsageError
from manako.ops.truths import expect_truths
from manako.structures import Prediction, Scores, Target

P = TypeVar("P", bound=Prediction)
T = TypeVar("T", bound=Target)


class Metric(Protocol):
    """Gathers pictures and scores them all at once."""

    def update(self, predictions: Sequence[Prediction], targets: Sequence[Target | None]) -> None:
        """Take in some pictures; targets are at the size of the original pictures."""

    def scores(self, intervals: bool = True) -> Scores:
        """The scores of all pictures so far, with 95 % intervals where they are asked for."""

    def picture_errors(self) -> list[float]:
        """How wrong each picture is, 0 (perfect) to 1, in the order of the updates."""


def expect_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Class names that can be told apart.

    >>> expect_classes(["cat", "dog", "cat"])
    Traceback (most recent call last):
    manako.errors.UsageError: class names ['cat'] come more than once
      expected: one or more different names
    """
    twice = sorted({name for name in classes if list(classes).count(name) > 1})
    if twice or not classes:
        what = f"class names {twice} come more than once" if twice else "no class names"
        raise UsageError(what, expected="one or more different names")
    return tuple(classes)


def expect_pairs(
    predictions: Sequence[Prediction],
    targets: Sequence[Target | None],
    prediction_kind: type[P],
    target_kind: type[T],
) -> list[tuple[P, T]]:
    """Predictions with their truths, known to be of the kinds that a metric scores.

    Raises:
        ShapeError: not one target for each prediction.
        DataError: a picture without truth (None).
        UsageError: a prediction or target of another kind.
    """
    truths = expect_truths(targets, target_kind, len(predictions))
    pairs: list[tuple[P, T]] = []
    for prediction, truth in zip(predictions, truths, strict=True):
        if not isinstance(prediction, prediction_kind):
            raise UsageError(
                f"a prediction is a {type(prediction).__name__}",
                expected=f"a {prediction_kind.__name__} for each picture",
            )
        pairs.append((prediction, truth))
    return pairs


def expect_finite_rows(rows: Sequence[Tensor], classes: int) -> NDArray[np.floating]:
    """Probabilities of N pictures as an array [N, K], known to be of K classes and finite.

    Raises:
        ShapeError: another number of classes.
        NumericError: a probability that is not finite.
    """
    for row in rows:
        if row.shape != (classes,):
            raise ShapeError(f"{len(row)} probabilities for {classes} classes")
    stacked = torch.stack(list(rows)).detach().cpu()
    if not bool(stacked.isfinite().all()):
        raise NumericError("a predicted probability is not a finite number")
    array: NDArray[np.floating] = (
        stacked if stacked.dtype == torch.float64 else stacked.float()
    ).numpy()
    return array
