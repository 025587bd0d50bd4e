"""From what was asked to what is done: every setting resolved, with its origin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from manako.config import format_size
from manako.config.settings import Asked, Resolved, Settings
from manako.data.dataset import Dataset
from manako.data.order import steps_per_epoch
from manako.errors import UsageError
from manako.models.protocols import FixedSize, WholeModel
from manako.models.weights import absolute_source
from manako.models.zoo import create_model, model_info
from manako.runs.defaults import Recipe, default_model, default_size, recipe_for
from manako.runs.look import Look
from manako.training.precision import choose_device, choose_precision

_VALIDATIONS = 20  # in a run without a budget
_LEAST_STEPS = 12  # in an epoch: a small set is cut into smaller batches than the recipe's
_PLANNING_STEPS = 1000  # stands in for the length of a run whose budget is not yet measured


class Choices:
    """Collects values with their origins; an asked value always wins."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}

    def take(self, name: str, otherwise: Any, why: str = "default") -> Any:
        """The asked value of `name`, else `otherwise`; remembered with its origin."""
        value = getattr(self._asked, name, None)
        self.origins[name] = why if value is None else "asked"
        self.values[name] = otherwise if value is None else value
        return self.values[name]


def resolve(asked: Asked, dataset: Dataset, look: Look, data: str) -> Resolved:
    """All settings of a run on `dataset`. With a budget, the steps are a placeholder still."""
    choices = Choices(asked)
    choices.values["data"], choices.origins["data"] = data, "asked"
    task = choices.take("task", dataset.task, f"found: {dataset.format}")
    if task != dataset.task:
        raise UsageError(
            f"the data are for {dataset.task}, not for {task}",
            fix="leave --task out, or give data of that kind",
        )
    model, why = default_model(task, look.size_hw)
    model = choices.take("model", model, why)
    if model_info(model).task != task:
        raise UsageError(
            f"{model} is a model for {model_info(model).task}, and the data are for {task}",
            fix=f"see manako models --task {task}",
        )
    recipe = recipe_for(model)
    choices.take("seed", 0)
    _pictures(choices, asked, look, task, model)
    _length(choices, asked, recipe, len(dataset.splits["train"]))
    _optimisation(choices, recipe, model)
    _machine(choices)
    _refuse_bad_values(choices.values)
    _refuse_idle_values(choices)
    return Resolved(settings=Settings(**choices.values), origins=choices.origins)


def _pictures(choices: Choices, asked: Asked, look: Look, task: str, model: str) -> None:
    options = choices.take("model_options", {})
    if choices.take("weights", None) is not None:
        # A run may be resumed from another folder.
        choices.values["weights"] = absolute_source(choices.values["weights"])
    grey = look.grey and asked.weights is None
    channels = choices.take(
        "channels",
        1 if grey else 3,
        "the weights" if asked.weights else f"the pictures show {'grey' if grey else 'colours'}",
    )
    allowed = allowed_sizes(model, channels, options)
    found = f"the pictures are {look.size_hw[0]}x{look.size_hw[1]}"
    size_hw = choices.take("size_hw", allowed.default(task, look.size_hw), found)
    allowed.check(size_hw)
    choices.take("rule", "stretch")
    characters = task == "classification" and look.grey and max(look.size_hw) <= 64
    choices.take(
        "augment",
        "characters" if characters else "photo",
        "small grey pictures" if characters else "default",
    )
    if choices.take("mirror", False) and task == "detection":
        raise UsageError(
            "averaging over mirrored pictures is not defined for detection",
            fix="leave --mirror out",
        )


@dataclass(frozen=True)
class AllowedSizes:
    """Which input sizes `network`, which has shapes and no values, takes."""

    model: str
    network: nn.Module
    channels: int
    multiple: int
    fixed_hw: tuple[int, int] | None = None

    def default(self, task: str, pictures_hw: tuple[int, int]) -> tuple[int, int]:
        """The size to train at when the pictures are of `pictures_hw` pixels."""
        return self.fixed_hw or default_size(task, self.model, pictures_hw, self.multiple)

    def check(self, size_hw: tuple[int, int]) -> None:
        """Refuse a size that the network cannot take, with the nearest one that it can."""
        if self.fixed_hw is not None and size_hw != self.fixed_hw:
            raise UsageError(
                f"{self.model} takes pictures of {format_size(self.fixed_hw)} pixels only, "
                f"not {format_size(size_hw)}",
                fix=f"use --imgsz {format_size(self.fixed_hw)}, or another model",
            )
        if any(side % self.multiple for side in size_hw):
            height, width = (
                max(self.multiple, round(side / self.multiple) * self.multiple) for side in size_hw
            )
            raise UsageError(
                f"{self.model} needs a height and width that are multiples of {self.multiple}, "
                f"not {format_size(size_hw)}",
                fix=f"use --imgsz {format_size((height, width))}",
            )
        # Its own refusal, of a picture that is too small: before the run, not after its start.
        self.network(torch.zeros(1, self.channels, *size_hw, device="meta"))


def allowed_sizes(model: str, channels: int, options: Mapping[str, Any]) -> AllowedSizes:
    """The input sizes of the network `model`; an unknown option is refused here."""
    with torch.device("meta"):  # shapes only: nothing is drawn or allocated
        network = create_model(model, num_classes=2, in_channels=channels, **options).eval()
    assert isinstance(network, WholeModel)
    fixed = network.fixed_size_hw if isinstance(network, FixedSize) else None
    return AllowedSizes(model, network, channels, network.size_multiple, fixed)


def _length(choices: Choices, asked: Asked, recipe: Recipe, pictures: int) -> None:
    if sum(value is not None for value in (asked.epochs, asked.steps, asked.budget_seconds)) > 1:
        raise UsageError(
            "the length of a run is given more than once",
            expected="one of --epochs, --steps and --budget",
        )
    batch = choices.take(
        "batch",
        max(2, min(recipe.batch, pictures // _LEAST_STEPS)),
        "recipe"
        if recipe.batch <= pictures // _LEAST_STEPS
        else f"only {pictures} training pictures",
    )
    each = steps_per_epoch(pictures, batch)
    budget = choices.take("budget_seconds", None)
    if budget is not None:
        choices.values["steps"], choices.origins["steps"] = _PLANNING_STEPS, "to be measured"
    else:
        epochs = recipe.epochs if asked.epochs is None else asked.epochs
        choices.take("steps", max(1, round(each * epochs)), f"{epochs:g} epochs of {each} steps")
    steps = choices.values["steps"]
    choices.take("validate_every", max(1, min(steps, max(each, steps // _VALIDATIONS))))
    choices.take("stop_after", 0)


def _optimisation(choices: Choices, recipe: Recipe, model: str) -> None:
    batch, steps = choices.values["batch"], choices.values["steps"]
    origin = f"recipe of {model}"
    choices.take("optimizer", recipe.optimizer, origin)
    choices.take("lr", recipe.lr_for(batch), origin)
    choices.take("momentum", 0.9, origin)
    choices.take("weight_decay", recipe.weight_decay, origin)
    choices.take("schedule", recipe.schedule, origin)
    choices.take("warmup_steps", round(recipe.warmup * steps), origin)
    choices.take("label_smoothing", recipe.label_smoothing, origin)
    choices.take("clip_norm", recipe.clip_norm, origin)
    choices.take("average_decay", recipe.average_decay, origin)


def _machine(choices: Choices) -> None:
    device = choose_device(choices.take("device", None, "found"))
    choices.values["device"] = device
    if choices.take("precision", None, "measured") is None:
        choices.values["precision"], choices.origins["precision"] = choose_precision(device)
    choices.take("threads", usable_cores(), "processors of this machine")
    choices.take("workers", 0)
    choices.take("save_seconds", 60.0)


def usable_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _refuse_idle_values(choices: Choices) -> None:
    """Refuse what was asked and would do nothing."""
    values, origins = choices.values, choices.origins
    if values["schedule"] == "onecycle" and origins["warmup_steps"] == "asked":
        raise UsageError(
            "the one-cycle schedule has a warm-up of its own",
            fix="leave --warmup-steps out, or choose another --schedule",
        )
    if values["optimizer"] == "adamw" and origins["momentum"] == "asked":
        raise UsageError("AdamW has no momentum to choose", fix="leave --momentum out")


def _refuse_bad_values(values: Mapping[str, Any]) -> None:
    if values["task"] != "classification" and values["label_smoothing"] > 0:
        raise UsageError(
            f"label smoothing is for classification, not for {values['task']}",
            fix="leave --label-smoothing out",
        )
    if values["task"] != "classification" and values["rule"] == "crop":
        lost = "objects" if values["task"] == "detection" else "pixels"
        raise UsageError(
            f"cropped pictures would lose {lost}", fix="use --resize stretch or letterbox"
        )
