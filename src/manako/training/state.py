"""Everything that changes while a network is trained: what a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from manako.config.settings import Settings
from manako.errors import ArtefactError
from manako.training.averaging import WeightAverage
from manako.training.freezing import freeze_stages
from manako.training.optimizers import create_optimizer, optimizer_tensors, restore_optimizer


@dataclass
class Progress:
    """How far a run has come. The order of samples and all chance follow from `step` alone."""

    step: int = 0  # steps done
    seconds: float = 0.0  # spent so far, over all its processes' lives
    best_score: float | None = None  # on validation
    best_step: int = 0
    validations_since_best: int = 0
    loss_sums: dict[str, float] = field(default_factory=dict)  # since the last row of the journal
    loss_count: int = 0


class TrainingState:
    """A network in training, its optimizer, its average and its progress."""

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        freeze_stages(model, settings.freeze)
        self.model = model
        self.optimizer = create_optimizer(model, settings)
        decay = settings.average_decay
        self.average = WeightAverage(model, decay) if decay > 0 else None
        self.progress = Progress()

    @property
    def product(self) -> nn.Module:
        """The network to validate and to keep: the average where there is one."""
        return self.model if self.average is None else self.average.model

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """File stem -> name -> tensor: all that is not plain numbers."""
        found = {
            "model": dict(self.model.state_dict()),
            "optimizer": optimizer_tensors(self.model, self.optimizer),
        }
        if self.average is not None:
            found["average"] = dict(self.average.model.state_dict())
        return found

    def numbers(self) -> dict[str, Any]:
        """The plain numbers, fit for JSON."""
        updates = 0 if self.average is None else self.average.updates
        return {"progress": vars(self.progress), "average_updates": updates}

    def restore(self, tensors: dict[str, dict[str, Tensor]], numbers: dict[str, Any]) -> None:
        """Become the state that `tensors` and `numbers` came from."""
        _fill(self.model, tensors["model"], "model")
        restore_optimizer(self.model, self.optimizer, tensors["optimizer"])
        if self.average is not None:
            _fill(self.average.model, tensors["average"], "average")
            self.average.updates = int(numbers["average_updates"])
        self.progress = Progress(**numbers["progress"])

    def nonfinite(self) -> str | None:
        """The name of a tensor with a value that is not finite, if there is one."""
        return first_nonfinite(
            {
                f"{stem}/{name}": value
                for stem, named in self.tensors().items()
                for name, value in named.items()
            }
        )


def first_nonfinite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor with a value that is not finite, if there is one."""
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return None


def _fill(model: nn.Module, tensors: dict[str, Tensor], stem: str) -> None:
    differing = sorted(model.state_dict().keys() ^ tensors.keys())
    if differing:
        raise ArtefactError(
            f"the checkpoint's {stem} and this network differ in {differing[0]!r}",
            fix="resume with the version of manako that began the run",
        )
    model.load_state_dict(tensors, strict=True)
