"""What a report is made of: plain records, filled by whoever has trained or scored something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from manako.errors import ShapeError, UnknownName
from manako.structures import Prediction, Scores, Target

TASKS = ("classification", "multilabel", "detection", "segmentation")


@dataclass(frozen=True)
class Picture:
    """One picture to show.

    `image` uint8 [C, H, W] is the original picture (C is 1 or 3); `truth` and `prediction` are in
    its own pixels and None where unknown; `error` is 0 for a perfect prediction.
    """

    image: Tensor
    name: str
    truth: Target | None
    prediction: Prediction | None
    error: float


@dataclass(frozen=True)
class ReportContents:
    """Everything a report shows; what is empty is left out of it.

    `facts` are lines such as model, parameters, minutes, machine. `data` is split -> class ->
    count: pictures (classification), boxes (detection) or pictures that show the class (the
    others). `notes` are what is worth knowing of the data, a line each. `curves` are rows with
    "step" and any of "epoch", "seconds", "loss", "loss/...", "lr", "val/..."; a row may lack any of
    them. `scores` is split -> scores. `pictures` come worst first; for classification they are
    mistakes, the one with the surest wrong answer first. `config` is option -> (value, where it
    came from).
    """

    title: str
    task: str
    classes: tuple[str, ...]
    facts: Mapping[str, str]
    data: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...]
    curves: Sequence[Mapping[str, float]]
    scores: Mapping[str, Scores]
    pictures: Sequence[Picture]
    config: Mapping[str, tuple[str, str]]
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnknownName("task", self.task, TASKS)
        size = len(self.classes)
        for split, scores in self.scores.items():
            matrix = scores.confusion
            if matrix is not None and {len(matrix), *map(len, matrix)} != {size}:
                raise ShapeError(
                    f"the confusion matrix of {split!r} has {len(matrix)} rows",
                    expected=f"{size} rows and columns, one for each class",
                )

    @property
    def main_split(self) -> str | None:
        """The split whose score stands at the top: test, else val, else the first one."""
        for split in ("test", "val"):
            if split in self.scores:
                return split
        return next(iter(self.scores), None)
