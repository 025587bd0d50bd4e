"""SGD with Nesterov momentum and AdamW, with weight decay where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from manako.config.settings import Settings
from manako.errors import ArtefactError
from manako.training.freezing import rate_factors


def create_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer over all trainable parameters of `model`.

    Weights with two or more axes decay; biases and the scales and shifts of norms do not (they do
    not make the function more complex, only move it). Stages below the head learn at a rate of
    their own where `stage_lr_factor` says so, and biases and the shifts of norms (any parameter
    named "bias") where `bias_lr_factor` does.
    """
    factors = rate_factors(model, settings.stage_lr_factor)
    for name in factors:
        if name.endswith("bias"):
            factors[name] *= settings.bias_lr_factor
    trainable = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    groups: list[dict[str, Any]] = []
    for factor in sorted({factors[name] for name, _ in trainable}, reverse=True):
        alike = [one for name, one in trainable if factors[name] == factor]
        decaying = {"params": [one for one in alike if one.ndim > 1]}
        others = {"params": [one for one in alike if one.ndim <= 1], "weight_decay": 0.0}
        groups += [
            {**group, "lr": settings.lr * factor, "lr_factor": factor}
            for group in (decaying, others)
            if group["params"]
        ]
    # Fused: the memory is walked through once a step, in half the time that AdamW takes otherwise.
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.momentum > 0,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate`, times its factor, for every group from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's memory as `PARAMETER/SLOT` -> tensor, by the parameters' names."""
    return {
        f"{name}/{slot}": value
        for name, parameter in _optimized(model, optimizer)
        for slot, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Give the optimizer the memory that `optimizer_tensors` returned."""
    parameters = dict(_optimized(model, optimizer))
    states: dict[str, dict[str, Any]] = {}
    for key, value in tensors.items():
        name, _, slot = key.rpartition("/")
        if name not in parameters:
            raise ArtefactError(
                f"the optimizer state has an entry for {name!r}, which this network does not have",
                fix="resume with the version of manako that began the run",
            )
        states.setdefault(name, {})[slot] = value
    for name, state in states.items():
        parameter = parameters[name]
        optimizer.state[parameter] = {
            # In the parameter's own memory layout; counters on its device, as fused steps want.
            slot: torch.empty_like(parameter).copy_(value)
            if value.shape == parameter.shape
            else value.to(parameter.device, copy=True)
            for slot, value in state.items()
        }


def _optimized(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, nn.Parameter]]:
    known = {id(one) for group in optimizer.param_groups for one in group["params"]}
    return ((name, one) for name, one in model.named_parameters() if id(one) in known)
