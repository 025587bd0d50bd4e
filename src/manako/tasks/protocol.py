"""What the training loop and the recognizer need to know of a task, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from manako.metrics.protocol import Metric
from manako.structures import Frame, Prediction


class Task(Protocol):
    """A kind of answer: which loss teaches it, which decoder reads it, which metric scores it.

    `raw` is what the model's `forward` returns; only `loss`, `decode` and `mean_of_mirrored`
    look inside. Targets are of the one kind that belongs to the task.
    """

    @property
    def name(self) -> str:
        """`classification`, `multilabel`, `detection` or `segmentation`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The numbers by which the decoder decides; `create_task` takes them as options."""

    def loss(self, raw: Any, targets: Sequence[Any]) -> dict[str, Tensor]:
        """Named scalars whose sum is minimised; targets in pixels of the network's input."""

    def weight(self, raw: Any, targets: Sequence[Any]) -> float:
        """What the loss is a mean over, counted: how much these targets weigh beside others.

        Where it is 0, the loss is divided by 1.
        """

    def decode(self, raw: Any, frames: Sequence[Frame]) -> Sequence[Prediction]:
        """One prediction for each picture, in pixels of the original pictures."""

    def mean_of_mirrored(self, raw: Any, raw_of_mirrored: Any) -> Any:
        """The raw output averaged over a picture and its mirror image."""

    def metric(self) -> Metric:
        """An empty metric for this task's classes."""
