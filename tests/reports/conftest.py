from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from manako.reports.contents import Picture, ReportContents
from manako.structures import (
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
    ReliabilityBin,
    Score,
    Scores,
)

CLASSES = ("cat", "dog", "owl")
CONFUSION = ((8, 2, 0), (1, 9, 0), (0, 4, 6))


def _noise(*shape: int) -> torch.Tensor:
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def _classified() -> Picture:
    prediction = ClassPrediction(torch.tensor([0.125, 0.75, 0.125]))
    return Picture(_noise(3, 32, 32), "test/cat/7.png", ClassTarget(0), prediction, 0.875)


def _detected() -> Picture:
    truth = BoxTargets(
        torch.tensor([[10.0, 10, 60, 60], [100, 50, 180, 120]]), torch.tensor([0, 1])
    )
    found = Detections(
        torch.tensor([[12.0, 9, 61, 60], [0, 0, 20, 20], [5, 5, 9, 9]]),
        torch.tensor([0.9, 0.5, 0.05]),
        torch.tensor([0, 2, 2]),
    )
    return Picture(_noise(3, 150, 200), "images/7.jpg", truth, found, 0.5)


def _mapped() -> Picture:
    mask = torch.zeros(40, 60, dtype=torch.uint8)
    mask[:10], mask[30:] = 1, 255
    truth, prediction = MaskTarget(mask), LabelMap(torch.full_like(mask, 1))
    return Picture(_noise(3, 40, 60), "images/7.png", truth, prediction, 0.5)


def _labelled() -> Picture:
    prediction = LabelsPrediction(torch.tensor([0.875, 0.25, 0.75]))
    return Picture(_noise(3, 32, 32), "test/7.png", LabelsTarget((0, 1)), prediction, 0.625)


PICTURES = {
    "classification": _classified,
    "multilabel": _labelled,
    "detection": _detected,
    "segmentation": _mapped,
}


def _scores(task: str) -> Scores:
    per_class = {
        "cat": {"recall": Score(0.801, 0.701, 0.901), "precision": Score(0.889)},
        "dog": {"recall": Score(0.902), "precision": Score(0.603)},
        "owl": {"recall": Score(float("nan")), "precision": Score(1.0)},
    }
    overall = {"f1": Score(0.7654), "accuracy": Score(0.8512, 0.8011, 0.9013)}
    confusion = CONFUSION if task in ("classification", "segmentation") else None
    reliability = None
    if task in ("classification", "multilabel"):
        overall["ece"] = Score(0.0431)
        reliability = (ReliabilityBin(0.4, 0.6, 20, 0.5, 0.4), ReliabilityBin(0.6, 1, 80, 0.9, 1.0))
    return Scores("accuracy", overall, per_class, confusion, 1234, reliability)


@pytest.fixture
def picture_of() -> Callable[[str], Picture]:
    """The picture of a task."""
    return lambda task: PICTURES[task]()


@pytest.fixture
def contents_of() -> Callable[..., ReportContents]:
    """The contents of a whole report of a task, with any field replaced."""

    def make(task: str = "classification", **changes: object) -> ReportContents:
        fields: dict[str, object] = {
            "title": "pets, lenet5",
            "task": task,
            "classes": CLASSES,
            "facts": {"model": "lenet5", "trained for": "3.2 minutes"},
            "data": {"train": {"cat": 4321, "dog": 10, "owl": 7}, "test": {"cat": 5, "dog": 6}},
            "notes": ("test has no pictures of owl",),
            "curves": [
                {"step": 1, "epoch": 0, "seconds": 0.1, "loss": 2.5, "lr": 0.1},
                {"step": 50, "loss": 1.25, "lr": 0.05},
                {"step": 50, "val/accuracy": 0.75},
            ],
            "scores": {"val": _scores(task), "test": _scores(task)},
            "pictures": [PICTURES[task]()],
            "config": {"epochs": ("12", "budget 10m"), "lr": ("0.1", "default")},
            "environment": {"torch": "2.10.0"},
        }
        return ReportContents(**(fields | changes))  # type: ignore[arg-type]

    return make
