"""The stages of a model, in use: see `protocols.Staged`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def inside(part: str, stages: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The stages of a module as stages of the model that holds it under the name `part`.

    >>> inside("backbone", (("conv1", "bn1"), ("layer1",)))
    (('backbone.conv1', 'backbone.bn1'), ('backbone.layer1',))
    """
    return tuple(tuple(f"{part}.{name}" for name in names) for names in stages)


def belongs(name: str, stage: Sequence[str]) -> bool:
    """Whether the parameter, buffer or module `name` is in the stage of those module names.

    >>> belongs("layer1.0.weight", ("conv1", "layer1")), belongs("layer10.weight", ("layer1",))
    (True, False)
    """
    return any(name == module or name.startswith(f"{module}.") for module in stage)


def parameters_of_stage(model: nn.Module, stage: Sequence[str]) -> dict[str, nn.Parameter]:
    """The parameters of one stage by name, in the model's order, those never trained included."""
    return {name: one for name, one in model.named_parameters() if belongs(name, stage)}


def modules_of_stage(model: nn.Module, stage: Sequence[str]) -> list[nn.Module]:
    """The modules that `stage` names; what is done to each (`eval()`) reaches all inside it."""
    return [model.get_submodule(name) for name in stage]
