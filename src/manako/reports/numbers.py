"""How numbers are written in reports and tables: one way, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

from manako.structures import Score

NO_NUMBER = "–"

_WORDS = {
    "ap": "AP",
    "auc": "AUC",
    "ece": "ECE",
    "f1": "F1",
    "iou": "IoU",
    "roc": "ROC",
    "top5": "top-5",
}
"""Parts of the names of scores that are not written as they are."""


def number_text(value: float | None, digits: int = 3) -> str:
    """`value` with `digits` decimals; a dash where there is none.

    >>> number_text(0.9125), number_text(float("nan")), number_text(None)
    ('0.912', '–', '–')
    """
    if value is None or not math.isfinite(value):
        return NO_NUMBER
    return f"{value:.{digits}f}"


def interval_text(score: Score) -> str:
    """The 95 % interval, or nothing where none was computed.

    >>> interval_text(Score(0.91, 0.9, 0.92)), interval_text(Score(0.91))
    ('0.900 to 0.920', '')
    """
    if score.low is None or score.high is None:
        return ""
    return f"{number_text(score.low)} to {number_text(score.high)}"


def value_text(value: object) -> str:
    """A setting as a reader sees it: nothing as a dash, several after each other.

    >>> [value_text(value) for value in (None, {}, False, [64, 64], {"flip": True, "noise": 0.5})]
    ['–', '–', 'false', '64, 64', 'flip=true, noise=0.5']
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={value_text(one)}" for key, one in value.items()) or NO_NUMBER
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value)) or NO_NUMBER
    if isinstance(value, bool):
        return str(value).lower()
    return NO_NUMBER if value is None or value == "" else str(value)


def score_name(key: str) -> str:
    """The name of a score as a reader sees it.

    >>> score_name("mean_iou"), score_name("top5_accuracy"), score_name("roc_auc")
    ('mean IoU', 'top-5 accuracy', 'ROC AUC')
    """
    return " ".join(_WORDS.get(word, word) for word in key.split("_"))


def axis_text(value: float) -> str:
    """A number beside an axis: short, thousands parted.

    >>> [axis_text(value) for value in (0.0, 0.25, 12000.0, 0.00003)]
    ['0', '0.25', '12,000', '3e-05']
    """
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2g}"
    if abs(value) >= 1000 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.6g}"
