"""Parts of a network that stay as they are, and parts that learn more slowly than the head."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from manako.config.settings import Settings
from manako.errors import UsageError
from manako.models.protocols import Staged
from manako.models.stages import belongs, modules_of_stage, parameters_of_stage

Freeze = int | Literal["backbone"]


def frozen_stages(model: nn.Module, freeze: Freeze) -> tuple[tuple[str, ...], ...]:
    """The stages of `model` that do not learn: the first `freeze`, or all but the head.

    Errors: `UsageError` where there are not so many below the head, or no stages at all.
    """
    if freeze == 0:
        return ()
    stages = _stages(model)
    count = len(stages) - 1 if freeze == "backbone" else freeze
    if count >= len(stages):
        raise UsageError(
            f"{count} stages cannot be frozen: the network has {len(stages)}, and the last of "
            "them, the head, must learn",
            fix=f"use --freeze {len(stages) - 1} or less, or --freeze backbone",
        )
    return stages[:count]


def freeze_stages(model: nn.Module, freeze: Freeze) -> None:
    """Let the parameters of the frozen stages take no gradient; see `frozen_stages`."""
    for stage in frozen_stages(model, freeze):
        for parameter in parameters_of_stage(model, stage).values():
            parameter.requires_grad_(False)


def begin_learning(model: nn.Module, settings: Settings) -> None:
    """Put `model` into training mode, but for what keeps computing as in use.

    That is all of a frozen stage, dropout included, and every batch norm with
    `norm_statistics="frozen"`.
    """
    model.train()
    for stage in frozen_stages(model, settings.freeze):
        for module in modules_of_stage(model, stage):
            module.eval()
    if settings.norm_statistics == "frozen":
        for layer in model.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()


def needs_pairs(model: nn.Module) -> bool:
    """Whether a batch norm of `model` takes its statistics from the pictures of one pass."""
    return any(isinstance(layer, _BatchNorm) and layer.training for layer in model.modules())


def rate_factors(model: nn.Module, stage_lr_factor: float) -> dict[str, float]:
    """Parameter name -> the factor on the learning rate.

    1 in the head, and `stage_lr_factor` times that of the stage above in every stage below it
    (discriminative fine-tuning: Howard & Ruder 2018, https://arxiv.org/abs/1801.06146,
    section 3.2).
    """
    names = [name for name, _ in model.named_parameters()]
    if stage_lr_factor == 1:
        return dict.fromkeys(names, 1.0)
    stages = _stages(model)
    return {
        name: stage_lr_factor ** (len(stages) - 1 - number)
        for name in names
        for number, stage in enumerate(stages)
        if belongs(name, stage)
    }


def _stages(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    if not isinstance(model, Staged):
        raise UsageError(
            f"{type(model).__name__} does not say what its stages are",
            expected="a network with stages()",
            fix="leave --freeze and --stage-lr-factor out",
        )
    return model.stages()
