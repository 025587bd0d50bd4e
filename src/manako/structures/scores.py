"""Numbers with their uncertainty: the product of a metric, the matter of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manako.errors import ShapeError


@dataclass(frozen=True)
class Score:
    """A value and the 95 % interval around it; `low` and `high` are None where none was asked for.

    >>> print(Score(0.912, 0.90, 0.92))
    0.912 (95 %: 0.900 to 0.920)
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} (95 %: {self.low:.3f} to {self.high:.3f})"

    def as_json(self) -> dict[str, float | None]:
        """The three numbers as a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class ReliabilityBin:
    """The answers whose confidence is above `low` and at most `high`.

    `pictures` is how many there are (for several labels: labels of pictures, each by itself),
    `confidence` the mean probability that they were given, `accuracy` the share of them that is
    right (for several labels: that the picture shows, whatever was answered). Guo et al. 2017
    (https://arxiv.org/abs/1706.04599), section 2.
    """

    low: float
    high: float
    pictures: int
    confidence: float
    accuracy: float

    def as_json(self) -> dict[str, float]:
        """The five numbers as a JSON object."""
        return {
            "low": self.low,
            "high": self.high,
            "pictures": self.pictures,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True)
class Scores:
    """All numbers of one evaluation.

    `headline` names the one score by which models are compared (a key of `overall`, larger is
    better); `per_class` is class name -> score name -> score; `confusion` [K, K] counts truth (row)
    against prediction (column), in pictures or pixels; `pictures` is how many were scored;
    `reliability` holds the bins of confidence that are not empty, in rising order.
    """

    headline: str
    overall: Mapping[str, Score]
    per_class: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] | None = None
    pictures: int = 0
    reliability: tuple[ReliabilityBin, ...] | None = None

    def __post_init__(self) -> None:
        if self.headline not in self.overall:
            raise ShapeError(
                f"headline {self.headline!r} is not among the scores {sorted(self.overall)}"
            )

    @property
    def main(self) -> Score:
        """The score that `headline` names."""
        return self.overall[self.headline]

    def as_json(self) -> dict[str, Any]:
        """Everything as one JSON object; `from_json` reads it back."""
        return {
            "headline": self.headline,
            "pictures": self.pictures,
            "overall": {name: score.as_json() for name, score in self.overall.items()},
            "per_class": {
                label: {name: score.as_json() for name, score in scores.items()}
                for label, scores in self.per_class.items()
            },
            "confusion": None if self.confusion is None else [list(row) for row in self.confusion],
            "reliability": None
            if self.reliability is None
            else [one.as_json() for one in self.reliability],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """The scores that `as_json` wrote, now or before there was `reliability`."""
        confusion, reliability = data["confusion"], data.get("reliability")
        return cls(
            headline=data["headline"],
            overall={name: Score(**score) for name, score in data["overall"].items()},
            per_class={
                label: {name: Score(**score) for name, score in scores.items()}
                for label, scores in data["per_class"].items()
            },
            confusion=None if confusion is None else tuple(tuple(row) for row in confusion),
            pictures=data["pictures"],
            reliability=None
            if reliability is None
            else tuple(ReliabilityBin(**one) for one in reliability),
        )
