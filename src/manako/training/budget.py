"""From a wall-clock budget to a number of steps, resolved once by measuring."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from torch import nn

from manako.config.settings import Settings
from manako.data.loader import training_batches
from manako.errors import UsageError
from manako.training.loop import Parts, learn
from manako.training.state import TrainingState

_MOST_STEPS = 40
_WARM_UP = 2  # steps whose time does not count: memory is allocated, kernels are chosen
_SHARE_PLANNED = 0.96  # of the time, so that small delays do not break the plan
_VALIDATIONS = 4  # in a run with a budget
_VALIDATION_SHARE = 0.04  # of the time at most


@dataclass(frozen=True)
class Pace:
    """What was measured: seconds of one step, and of one validation."""

    step_seconds: float
    validation_seconds: float


def measure_pace(
    build: Callable[[], nn.Module],
    parts: Parts,
    *,
    seconds: float,
    validation_seconds: Callable[[nn.Module], float],
) -> Pace:
    """Train for about `seconds` and time the steps; `validation_seconds` times a validation.

    `build` makes a network that is thrown away afterwards; nothing of the run is touched.
    """
    state, processes = TrainingState(build(), parts.settings), parts.processes
    network = processes.wrap(state.model)
    batches = training_batches(
        parts.source,
        parts.pipeline,
        order=parts.order,
        steps=range(_MOST_STEPS),
        workers=0,
        rank=processes.rank,
        world=processes.world,
    )
    times: list[float] = []
    start = clock = time.monotonic()
    with closing(batches):
        for batch in batches:
            learn(network, batch, state, parts)
            now = time.monotonic()
            times.append(now - clock)
            clock = now
            # All processes must leave the loop after the same step.
            if processes.any(now - start > seconds) and len(times) > _WARM_UP:
                break
    counted = times[_WARM_UP:]
    return Pace(sum(counted) / len(counted), validation_seconds(state.product))


def plan_steps(
    settings: Settings, pace: Pace, seconds: float, validate_every: int | None = None
) -> tuple[int, int]:
    """The steps that fit into `seconds`, and after how many of them to validate.

    `validate_every` is kept where it is given. Refuses a budget in which not even ten steps fit.
    """
    left = seconds * _SHARE_PLANNED
    if validate_every is not None:
        # One validation costs as much as so many steps more.
        step_seconds = pace.step_seconds + pace.validation_seconds / validate_every
        validations = 0
    else:
        step_seconds = pace.step_seconds
        affordable = math.floor(left * _VALIDATION_SHARE / max(pace.validation_seconds, 1e-6))
        validations = max(1, min(_VALIDATIONS, affordable))
    # One more for the final scores of the network that is kept.
    evaluated = (validations + 1) * pace.validation_seconds
    steps = math.floor((left - evaluated) / step_seconds)
    if steps < 10:
        raise UsageError(
            f"the budget leaves {max(0.0, left):.0f} s for training, and one step of "
            f"{settings.batch} pictures takes {pace.step_seconds:.2f} s",
            expected="time for ten steps at least",
            fix="give more --budget, or a smaller --imgsz, --batch or --model",
        )
    return steps, validate_every or math.ceil(steps / validations)
