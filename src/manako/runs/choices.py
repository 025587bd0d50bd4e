"""From what was asked to what is done: every setting resolved, with its origin."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from manako.config import format_size
from manako.config.settings import Asked, Resolved, Settings
from manako.console.messages import warn
from manako.data.dataset import Dataset
from manako.data.order import steps_per_epoch
from manako.data.signals.look import SignalLook
from manako.data.transforms.presets import strengths
from manako.errors import UsageError
from manako.models.protocols import FixedSize, WholeModel
from manako.models.weights import absolute_source
from manako.models.zoo import create_without_values, model_info
from manako.recognizer import RecognizerSpec
from manako.runs.defaults import Recipe, default_model, default_size, recipe_for
from manako.runs.look import Look
from manako.runs.pretrained import made_for
from manako.runs.signals import choose_signal, default_signal_model
from manako.training.freezing import frozen_stages
from manako.training.precision import choose_device, choose_precision

_SIZE_FACTORS = (1.0, 0.75, 0.5)  # of the default size, tried with `--imgsz auto`
_VALIDATIONS = 20  # in a run without a budget
_LEAST_STEPS = 12  # in an epoch: a small set is cut into smaller batches than the recipe's
_PLANNING_STEPS = 1000  # stands in for the length of a run whose budget is not yet measured
SMALL_GREY = 128  # pixels; grey pictures of up to that side are taken for characters
SIZE_OF_THE_BUDGET = "auto, to be measured"
"""The origin of a picture size that the budget may still make smaller."""

_ONE_LABEL_ONLY = {
    "label_smoothing": "--label-smoothing",
    "mixup": "--mixup",
    "cutmix": "--cutmix",
}


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


def resolve(asked: Asked, dataset: Dataset, look: Look | SignalLook, data: str) -> Resolved:
    """All settings of a run on `dataset`. With a budget, the steps are a placeholder still."""
    if asked.device == "auto":
        asked = asked.model_copy(update={"device": None})
    choices = Choices(asked)
    choices.values["data"], choices.origins["data"] = data, "asked"
    task = choices.take("task", dataset.task, f"found: {dataset.format}")
    if task != dataset.task:
        raise UsageError(
            f"the data are for {dataset.task}, not for {task}",
            fix="leave --task out, or give data of that kind",
        )
    kind = "classification" if task == "multilabel" else task  # of the networks that serve it
    if isinstance(look, SignalLook):
        model, why = default_signal_model(look)
    else:
        model, why = default_model(kind, look.size_hw)
    known = made_for(asked.weights)
    if known is not None and model_info(known.model).task == kind:
        model, why = known.model, "the weights"
    model = choices.take("model", model, why)
    if model_info(model).task != kind:
        raise UsageError(
            f"{model} is a model for {model_info(model).task}, and the data are for {task}",
            fix=f"see manako models --task {kind}",
        )
    recipe = recipe_for(model).with_optimizer(asked.optimizer)
    _selection(choices)
    if isinstance(look, SignalLook):
        network = choose_signal(choices, asked, look)
    else:
        _refuse_signal_options(asked)
        choices.take("signal", None)
        _network(choices, asked, look, known)
        network = _pictures(choices, look, kind)
    _kept_parts(choices, network)
    _length(choices, asked, recipe, len(dataset.splits["train"]))
    _optimisation(choices, recipe, model)
    _machine(choices)
    _refuse_bad_values(choices.values)
    _refuse_idle_values(choices)
    return Resolved(settings=Settings(**choices.values), origins=choices.origins)


def _refuse_signal_options(asked: Asked) -> None:
    for name in ("representation", "signal_size"):
        if getattr(asked, name) is not None or asked.augment == "signal":
            raise UsageError(
                "the data hold pictures, and what was asked is for signals and volumes",
                fix="leave --representation, --signal-size and --augment signal out",
            )


def _selection(choices: Choices) -> None:
    choices.take("seed", 0)
    choices.take("group_by", None)
    choices.take("fold", None)
    if choices.take("exclude", None) is not None:
        choices.values["exclude"] = str(Path(choices.values["exclude"]).resolve())
    choices.take("allow_leakage", False)


def _network(choices: Choices, asked: Asked, look: Look, known: RecognizerSpec | None) -> None:
    """What the network looks like; a recognizer whose weights are taken up has decided it."""
    choices.take("weights", None)
    if asked.weights is not None:  # a run may be resumed from another folder
        choices.values["weights"] = absolute_source(asked.weights)
    if known is not None and known.model == choices.values["model"]:
        choices.take("model_options", known.model_options, "the weights")
    else:
        choices.take("model_options", {})
    if known is not None:
        choices.take("channels", known.channels, "the weights")
    elif asked.weights is not None:
        choices.take("channels", 3, "usual for weights of another library")
    else:
        shown = "grey" if look.grey else "colours"
        choices.take("channels", 1 if look.grey else 3, f"the pictures show {shown}")


def _pictures(choices: Choices, look: Look, task: str) -> nn.Module:
    """What the network sees of the pictures; the network is given back, without values."""
    values = choices.values
    allowed = allowed_sizes(values["model"], values["channels"], values["model_options"])
    found = f"the pictures are {look.size_hw[0]}x{look.size_hw[1]}"
    size_hw = choices.take("size_hw", allowed.default(task, look.size_hw), found)
    if size_hw == "auto":
        size_hw = choices.values["size_hw"] = allowed.default(task, look.size_hw)
        choices.origins["size_hw"] = SIZE_OF_THE_BUDGET
    allowed.check(size_hw)
    choices.take("rule", "stretch")
    characters = (
        choices.values["task"] == "classification" and look.grey and max(look.size_hw) <= SMALL_GREY
    )
    choices.take(
        "augment",
        "characters" if characters else "photo",
        "small grey pictures" if characters else "default",
    )
    asked_numbers = choices.take("augment_options", {})
    choices.values["augment_options"] = augmentation_numbers(choices.values, asked_numbers)
    choices.origins["augment_options"] = (
        "asked: " + ", ".join(asked_numbers)
        if asked_numbers
        else f"preset {choices.values['augment']}"
    )
    choices.take("mixup", 0.0)
    choices.take("cutmix", 0.0)
    if choices.take("mirror", False) and task == "detection":
        raise UsageError(
            "averaging over mirrored pictures is not defined for detection",
            fix="leave --mirror out",
        )
    return allowed.network


def _kept_parts(choices: Choices, network: nn.Module) -> None:
    """What of the network does not learn."""
    frozen_stages(network, choices.take("freeze", 0))
    has_norms = any(isinstance(layer, _BatchNorm) for layer in network.modules())
    if choices.take("norm_statistics", "train") == "frozen" and not has_norms:
        raise UsageError(
            f"{choices.values['model']} has no batch norms whose statistics could be kept",
            fix="leave --frozen-norms out",
        )


def augmentation_numbers(
    values: Mapping[str, Any], asked: Mapping[str, bool | float | str]
) -> dict[str, bool | float | str]:
    """All numbers of the augmentation: those of the preset, and the `asked` ones instead."""
    preset = strengths(values["augment"], values["task"], values["size_hw"])
    return asdict(preset.changed(asked))


@dataclass(frozen=True)
class AllowedSizes:
    """Which input sizes `network`, which has shapes and no values, takes."""

    model: str
    network: nn.Module
    channels: int
    multiple: int
    least: int
    fixed_hw: tuple[int, int] | None = None

    def default(self, task: str, pictures_hw: tuple[int, int]) -> tuple[int, int]:
        """The size to train at when the pictures are of `pictures_hw` pixels."""
        if self.fixed_hw is not None:
            return self.fixed_hw
        least = math.ceil(self.least / self.multiple) * self.multiple
        height, width = default_size(task, self.model, pictures_hw, self.multiple)
        return max(least, height), max(least, width)

    def smaller(self, size_hw: tuple[int, int]) -> list[tuple[int, int]]:
        """`size_hw` and smaller sizes of about its shape that the network takes, largest first."""
        sizes: list[tuple[int, int]] = []
        for factor in _SIZE_FACTORS:
            height, width = (
                max(1, round(side * factor / self.multiple)) * self.multiple for side in size_hw
            )
            if (height, width) in sizes:
                continue
            try:
                self.check((height, width))
            except UsageError:
                break  # what is smaller still is refused, too
            sizes.append((height, width))
        return sizes

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
    network = create_without_values(model, num_classes=2, in_channels=channels, **options)
    assert isinstance(network, WholeModel)
    fixed = network.fixed_size_hw if isinstance(network, FixedSize) else None
    multiple, least = network.size_multiple, network.least_side
    return AllowedSizes(model, network, channels, multiple, least, fixed)


def _length(choices: Choices, asked: Asked, recipe: Recipe, pictures: int) -> None:
    if sum(value is not None for value in (asked.epochs, asked.steps, asked.budget_seconds)) > 1:
        raise UsageError(
            "the length of a run is given more than once",
            expected="one of --epochs, --steps and --budget",
        )
    if asked.size_hw == "auto" and asked.budget_seconds is None:
        raise UsageError(
            "the picture size cannot be chosen by time without a budget",
            fix="give --budget, or a size for --imgsz",
        )
    batch = choices.take(
        "batch",
        max(2, min(recipe.batch, pictures // _LEAST_STEPS)),
        "recipe"
        if recipe.batch <= pictures // _LEAST_STEPS
        else f"only {pictures} training pictures",
    )
    if batch > pictures:
        raise UsageError(
            f"a batch of {batch} pictures is more than the {pictures} training pictures",
            fix=f"use --batch {pictures} or less",
        )
    parts = choices.take("accumulate", 1)
    if parts > max(1, batch // 2):
        raise UsageError(
            f"a batch of {batch} pictures cannot be computed in {parts} parts",
            expected="two pictures or more in each part",
            fix=f"use --accumulate {batch // 2} or less, or a larger --batch",
        )
    each = steps_per_epoch(pictures, batch)
    budget = choices.take("budget_seconds", None)
    if budget is not None:
        choices.values["steps"], choices.origins["steps"] = _PLANNING_STEPS, "to be measured"
    else:
        epochs, who = (recipe.epochs, "recipe") if asked.epochs is None else (asked.epochs, "asked")
        why = f"{who}: {epochs:g} epochs of {each} steps"
        choices.take("steps", max(1, round(each * epochs)), why)
    steps = choices.values["steps"]
    choices.take("validate_every", max(1, min(steps, max(each, steps // _VALIDATIONS))))
    choices.take("stop_after", 0)


def _optimisation(choices: Choices, recipe: Recipe, model: str) -> None:
    batch, steps = choices.values["batch"], choices.values["steps"]
    origin = f"usual for {recipe.optimizer}" if recipe.is_general else f"recipe of {model}"
    choices.take("optimizer", recipe.optimizer, origin)
    choices.take("lr", recipe.lr_for(batch), origin)
    choices.take("momentum", recipe.momentum, origin)
    choices.take("weight_decay", recipe.weight_decay, origin)
    choices.take("schedule", recipe.schedule, origin)
    choices.take("warmup_steps", round(recipe.warmup * steps), origin)
    one_label = choices.values["task"] == "classification"
    choices.take("label_smoothing", recipe.label_smoothing if one_label else 0.0, origin)
    choices.take("clip_norm", recipe.clip_norm, origin)
    choices.take("average_decay", recipe.average_decay, origin)
    choices.take("class_weights", "none")
    choices.take("stage_lr_factor", 1.0)
    choices.take("bias_lr_factor", recipe.bias_lr_factor, origin)
    choices.take("preflight", True)


def _machine(choices: Choices) -> None:
    device = choose_device(choices.take("device", None, "found"))
    choices.values["device"] = device
    threads = choices.take("threads", usable_cores(), "processors of this machine")
    if choices.take("precision", None, "measured") is None:
        precision, why = choose_precision(device, threads)
        choices.values["precision"], choices.origins["precision"] = precision, why
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
    if values["freeze"] == "backbone" and origins["stage_lr_factor"] == "asked":
        raise UsageError(
            "with a frozen backbone only the head learns, at the rate itself",
            fix="leave --stage-lr-factor out, or --freeze",
        )
    if values["warmup_steps"] >= values["steps"] and values["budget_seconds"] is None:
        raise UsageError(
            f"a warm-up of {values['warmup_steps']} steps does not end within the "
            f"{values['steps']} steps of the run",
            fix="use a smaller --warmup-steps",
        )


def _refuse_bad_values(values: Mapping[str, Any]) -> None:
    task = values["task"]
    if task != "classification":
        for name, flag in _ONE_LABEL_ONLY.items():
            if values[name] > 0:
                raise UsageError(
                    f"{name.replace('_', ' ')} is for classification, not for {task}",
                    expected="pictures of one class each",
                    fix=f"leave {flag} out",
                )
    if task not in ("classification", "multilabel"):
        if values["class_weights"] != "none":
            raise UsageError(
                f"class weights are for classification and multilabel, not for {task}",
                fix="leave --class-weights out",
            )
        if values["rule"] == "crop":
            lost = "objects" if task == "detection" else "pixels"
            raise UsageError(
                f"cropped pictures would lose {lost}", fix="use --resize stretch or letterbox"
            )


def warn_of_doubtful(settings: Settings) -> None:
    """Warn of what can be done and seldom makes sense."""
    if settings.weights is not None:
        return
    if settings.freeze != 0:
        warn("what --freeze keeps are random weights, for none were given with --weights")
    if settings.norm_statistics == "frozen":
        warn("--frozen-norms keeps statistics of no pictures, for none were given with --weights")
