"""After training: how sure a recognizer may be, measured on its validation pictures.

The temperature (`manako.recognizer.temperature`) makes probabilities agree with how often answers
are right. `unknown_below` is the probability below which 5 % of the validation pictures that were
recognized rightly fall: so many right answers are lost where unsure pictures are called unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

import torch

from manako.data.opened import OpenData
from manako.recognizer.evaluation import (
    Evaluation,
    RawBatch,
    evaluate_split,
    scored,
    tracked_batches,
)
from manako.recognizer.recognizer import Recognizer
from manako.recognizer.temperature import fit_label_temperature, fit_temperature
from manako.structures import (
    ClassPrediction,
    ClassRaw,
    ClassTarget,
    LabelsTarget,
    Prediction,
    Target,
)

LEAST_PICTURES = 30
"""With fewer, neither a temperature nor a threshold can be believed."""
LOST_SHARE = 0.05
"""The share of right answers that the threshold of the unknown gives up."""

_CALIBRATED = ("classification", "multilabel")
_DECIMALS = 4  # so that the last bits of a sum do not reach the recognizer


@dataclass(frozen=True)
class Calibration:
    """What was measured on `pictures` validation pictures.

    `ece_before` and `ece_after` are the expected calibration errors without and with `temperature`;
    `reason` says why none was fitted.
    """

    pictures: int
    temperature: float = 1.0
    unknown_below: float | None = None
    ece_before: float = 0.0
    ece_after: float = 0.0
    reason: str = ""

    @property
    def thresholds(self) -> dict[str, float]:
        """What a recognizer stores of it."""
        temperature = {} if self.temperature == 1 else {"temperature": self.temperature}
        if self.unknown_below is None:
            return temperature
        return {**temperature, "unknown_below": self.unknown_below}

    def __str__(self) -> str:
        if self.reason:
            text = f"no temperature was fitted: {self.reason}"
        else:
            text = (
                f"temperature {self.temperature:.2f}, expected calibration error on validation "
                f"{self.ece_before:.3f} → {self.ece_after:.3f}"
            )
        if self.unknown_below is None:
            return text
        return f"{text}; unknown below {self.unknown_below:.3f}, where asked for"


def evaluate_and_calibrate(
    recognizer: Recognizer, data: OpenData, split: str = "val"
) -> tuple[Recognizer, Evaluation, Calibration | None]:
    """The recognizer with thresholds measured on `split`, its evaluation there, and what was found.

    The network sees the pictures once. Tasks whose probabilities are not calibrated are only
    evaluated, and there is no calibration.
    """
    if recognizer.spec.task not in _CALIBRATED:
        return recognizer, evaluate_split(recognizer, data, split), None
    batches = list(tracked_batches(recognizer, data, split))
    calibration = calibrate(recognizer, batches)
    calibrated = with_thresholds(recognizer, calibration.thresholds)
    return calibrated, scored(calibrated, batches), calibration


def calibrate(recognizer: Recognizer, batches: Sequence[RawBatch]) -> Calibration:
    """What the answers in `batches` say of how sure `recognizer` may be.

    Its own temperature, if it has one, is left aside.
    """
    plain = with_thresholds(recognizer, {})
    before = scored(plain, batches, intervals=False)
    targets = [target for batch in batches for target in batch.targets]
    pictures = len(targets)
    if pictures < LEAST_PICTURES:
        what = "1 validation picture" if pictures == 1 else f"{pictures} validation pictures"
        reason = f"{what} are too few, {LEAST_PICTURES} is the least"
        return Calibration(pictures, reason=reason)
    ece = before.scores.overall["ece"].value
    if not any(before.errors):
        found = Calibration(
            pictures, ece_before=ece, ece_after=ece, reason="all validation pictures are right"
        )
        return replace(found, unknown_below=unknown_threshold(before.predictions, targets))
    temperature = round(_fitted(batches, targets), _DECIMALS)
    after = scored(with_thresholds(plain, {"temperature": temperature}), batches, intervals=False)
    return Calibration(
        pictures=pictures,
        temperature=temperature,
        unknown_below=unknown_threshold(after.predictions, targets),
        ece_before=ece,
        ece_after=after.scores.overall["ece"].value,
    )


def with_thresholds(recognizer: Recognizer, thresholds: dict[str, float]) -> Recognizer:
    """The same network with `thresholds` in place of its own."""
    spec = recognizer.spec.model_copy(update={"thresholds": thresholds})
    return Recognizer(recognizer.model, spec, str(recognizer.device))


def unknown_threshold(
    predictions: Sequence[Prediction], targets: Sequence[Target | None]
) -> float | None:
    """The probability below which at most 5 % of the right answers lie; None without any.

    >>> sure = ClassPrediction(torch.tensor([0.9, 0.1]))
    >>> round(unknown_threshold([sure] * 20, [ClassTarget(0)] * 19 + [ClassTarget(1)]), 3)
    0.9
    """
    right = sorted(
        prediction.score
        for prediction, target in zip(predictions, targets, strict=True)
        if isinstance(prediction, ClassPrediction)
        and isinstance(target, ClassTarget)
        and prediction.label == target.label
    )
    return right[floor(LOST_SHARE * len(right))] if right else None


def _fitted(batches: Sequence[RawBatch], targets: Sequence[Target | None]) -> float:
    logits = torch.cat([ClassRaw.of(batch.raw).logits for batch in batches])
    classes = [target.label for target in targets if isinstance(target, ClassTarget)]
    if classes:
        return fit_temperature(logits, torch.tensor(classes))
    shown = torch.zeros(logits.shape, dtype=torch.bool)
    for row, target in zip(shown, targets, strict=True):
        if isinstance(target, LabelsTarget):
            row[list(target.labels)] = True
    return fit_label_temperature(logits, shown)
