"""Before a long run: can this network, with these settings, learn eight pictures by heart?

What cannot do that (a learning rate a thousand times off, a network without a way from the loss to
its weights) will not learn a data set either. The answer comes within seconds instead of hours.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from manako.config.settings import Settings
from manako.data.evenly import evenly_spaced
from manako.data.loader import SampleSource
from manako.data.signals.preparation import SignalPreparation
from manako.data.signals.transforms import Middle
from manako.data.transforms import Pipeline, Resize
from manako.errors import NumericError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, Sample, Target
from manako.tasks import create_task
from manako.training.distribution import Processes
from manako.training.loop import Parts, learn
from manako.training.state import TrainingState

MOST_SECONDS = 30.0
MOST_STEPS = 200
LEAST_STEPS = 50
"""Fewer do not show that a network cannot learn."""

_PICTURES = 8
_LOOKED_AT = 64  # pictures among which different classes are looked for
_WARM_UP = 10  # steps; a recipe's rate may only bear what comes later
_BY_HEART, _CLEARLY, _HARDLY = 0.1, 0.5, 0.95  # of the loss at the start
_NOTHING_TO_LEARN = 0.05  # a loss that cannot fall clearly any more
_TINY = 10_000  # parameters
_SMOOTHED = 5  # steps: layers that draw make single losses noisy


@dataclass(frozen=True)
class Preflight:
    """What was seen: the loss at the start and the lowest (smoothed) one, after so many steps."""

    verdict: Literal["passed", "inconclusive"]
    pictures: int
    steps: int
    first_loss: float
    lowest_loss: float

    def __str__(self) -> str:
        pictures = "1 picture" if self.pictures == 1 else f"{self.pictures} pictures"
        return (
            f"pre-flight {self.verdict}: on {pictures} the loss went from "
            f"{self.first_loss:.3g} to {self.lowest_loss:.3g} by step {self.steps}"
        )


def preflight(
    model: nn.Module, parts: Parts, *, seconds: float = MOST_SECONDS, steps: int = MOST_STEPS
) -> Preflight:
    """Train a copy of `model` on a few training pictures, for at most `steps` and `seconds`.

    The pictures come as they are, of different classes where there are such; labels are not
    smoothed, classes not weighted. "passed" where the loss falls to a tenth, or to half when the
    time is over; else "inconclusive".

    Raises `NumericError` where the loss is not finite, and where it has not fallen by 5 % after
    `LEAST_STEPS` steps or more of a network that learns from scratch as a whole.

    `model`, the state of torch's generators and all that belongs to the run stay as they are.
    """
    pictures = chosen_pictures(parts.source)
    rehearsal = replace(
        parts,
        settings=_settings(parts.settings, len(pictures), steps),
        task=create_task(parts.settings.task, parts.task.classes),
        source=pictures,
        pipeline=_plain(parts),
        processes=Processes(),
        mixing=None,
    )
    with torch.random.fork_rng():
        losses = _losses(copy.deepcopy(model), rehearsal, seconds)
    start, lowest = losses[0], _lowest(losses)
    if lowest <= max(_CLEARLY * start, _NOTHING_TO_LEARN):
        return Preflight("passed", len(pictures), len(losses), start, lowest)
    if lowest > _HARDLY * start and len(losses) >= LEAST_STEPS and _must_learn(model, parts):
        raise NumericError(
            f"the pre-flight failed: in {len(losses)} steps on the same {len(pictures)} pictures "
            f"the loss only went from {start:.4g} to {lowest:.4g}",
            expected="a loss that falls by 5 % at least",
            fix=f"try a larger --lr; look whether the labels are right{_hint(parts)}; "
            "--no-preflight trains all the same",
        )
    return Preflight("inconclusive", len(pictures), len(losses), start, lowest)


def _hint(parts: Parts) -> str:
    return "" if isinstance(parts.preparation, SignalPreparation) else " (manako check)"


def _plain(parts: Parts) -> Pipeline:
    """What brings samples to the size of the input, and nothing else."""
    if isinstance(parts.preparation, SignalPreparation):
        return Pipeline((Middle(parts.preparation),))
    return Pipeline((Resize(parts.settings.size_hw, parts.settings.rule),))


def chosen_pictures(source: SampleSource) -> Sequence[Sample]:
    """A few samples of `source`: of different classes, as far as a look at some of them finds any.

    Pictures in which something is to be found come before empty ones.
    """
    kinds: dict[object, list[Sample]] = {}
    for sample in evenly_spaced(source, _LOOKED_AT):
        kinds.setdefault(_kind(sample.target), []).append(sample)
    empty = kinds.pop((), [])
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    return [*(sample for sample in in_turn if sample is not None), *empty][:_PICTURES]


def _kind(target: Target | None) -> object:
    """What tells pictures apart; an empty tuple where nothing is to be found in one."""
    if isinstance(target, ClassTarget):
        return target.label
    if isinstance(target, LabelsTarget):
        return target.labels
    if isinstance(target, BoxTargets):
        return tuple(sorted(set(target.labels[~target.ignored_mask].tolist())))
    return None


def _settings(settings: Settings, pictures: int, steps: int) -> Settings:
    """Those of the run, for batches of so few pictures."""
    ratio = min(1.0, pictures / settings.batch)
    return settings.model_copy(
        update={
            "batch": pictures,
            "steps": steps,
            # The rate follows the batch as in the recipes.
            "lr": settings.lr * (ratio if settings.optimizer == "sgd" else math.sqrt(ratio)),
            "schedule": "constant",
            "warmup_steps": min(_WARM_UP, steps // 2),
            "average_decay": 0.0,
            # No more pictures at a time than the run has in its memory.
            "accumulate": min(pictures, math.ceil(ratio * settings.accumulate)),
        }
    )


def _losses(model: nn.Module, parts: Parts, seconds: float) -> list[float]:
    state = TrainingState(model, parts.settings)
    losses: list[float] = []
    begun = time.monotonic()
    with closing(parts.batches(range(parts.settings.steps))) as batches:
        for batch in batches:
            try:
                losses.append(sum(learn(state.model, batch, state, parts).values()))
            except NumericError as error:
                raise NumericError(
                    f"the pre-flight failed: {error.what}",
                    expected=error.expected,
                    fix="use a smaller --lr, or --precision float32; look whether the data are "
                    f"what they should be{_hint(parts)}",
                ) from error
            state.progress.step += 1
            if _lowest(losses) <= max(_BY_HEART * losses[0], _NOTHING_TO_LEARN):
                break
            if time.monotonic() - begun > seconds:
                break
    return losses


def _lowest(losses: Sequence[float]) -> float:
    """The lowest mean of some losses in a row."""
    width = min(_SMOOTHED, len(losses))
    return min(sum(losses[end - width : end]) / width for end in range(width, len(losses) + 1))


def _must_learn(model: nn.Module, parts: Parts) -> bool:
    """Whether the loss must fall: not where weights were loaded, parts are frozen or few."""
    settings = parts.settings
    whole = settings.freeze == 0 and settings.norm_statistics == "train"
    learning = sum(one.numel() for one in model.parameters() if one.requires_grad)
    return whole and settings.weights is None and learning >= _TINY
