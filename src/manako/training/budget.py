"""From a wall-clock budget to a number of steps, resolved once by measuring."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from torch import nn

from manako.config.settings import Settings
from manako.errors import UsageError
from manako.training.loop import Parts, learn
from manako.training.state import TrainingState

MOST_STEPS = 40
_WARM_UP = 2  # steps whose time does not count: memory is allocated, kernels are chosen
_SHARE_PLANNED = 0.92  # of the time: a machine seldom stays as fast as it was in the first seconds
_VALIDATIONS = 4  # in a run with a budget
_VALIDATION_SHARE = 0.04  # of the time at most


@dataclass(frozen=True)
class Pace:
    """What was measured: seconds of one step, of one validation, and of all that follows training.

    What follows are the scores on validation and test pictures, and the files with them.
    """

    step_seconds: float
    validation_seconds: float
    finish_seconds: float = 0.0


def measure_step(
    build: Callable[[], nn.Module], parts: Parts, *, seconds: float, steps: int = MOST_STEPS
) -> tuple[float, nn.Module]:
    """Seconds of one step, and the network that learned for about `seconds` to measure them.

    `build` makes a network that is thrown away afterwards; nothing of the run is touched. At most
    `steps` are taken, at least one more than do not count.
    """
    state, processes = TrainingState(build(), parts.settings), parts.processes
    network = processes.wrap(state.model)
    warm_up = min(_WARM_UP, max(1, steps // 4))
    times: list[float] = []
    start = clock = time.monotonic()
    with closing(parts.batches(range(max(steps, warm_up + 1)))) as batches:
        for batch in batches:
            learn(network, batch, state, parts)
            now = time.monotonic()
            times.append(now - clock)
            clock = now
            # All processes must leave the loop after the same step.
            if processes.any(now - start > seconds) and len(times) > warm_up:
                break
    counted = times[warm_up:]
    return sum(counted) / len(counted), state.product


def plan_steps(
    settings: Settings, pace: Pace, seconds: float, validate_every: int | None = None
) -> tuple[int, int]:
    """The steps that fit into `seconds`, and after how many of them to validate.

    `validate_every` is kept where it is given. Refuses a budget in which not even ten steps fit.
    """
    left = seconds * _SHARE_PLANNED - pace.finish_seconds
    if validate_every is not None:
        # One validation costs as much as so many steps more.
        step_seconds = pace.step_seconds + pace.validation_seconds / validate_every
        validations = 0
    else:
        step_seconds = pace.step_seconds
        affordable = math.floor(left * _VALIDATION_SHARE / max(pace.validation_seconds, 1e-6))
        validations = max(1, min(_VALIDATIONS, affordable))
    steps = math.floor((left - validations * pace.validation_seconds) / step_seconds)
    if steps < 10:
        raise UsageError(
            f"the budget leaves {max(0.0, left):.0f} s for training, and one step of "
            f"{settings.batch} pictures takes {pace.step_seconds:.2f} s",
            expected="time for ten steps at least",
            fix="give more --budget, or a smaller --imgsz, --batch or --model",
        )
    return steps, validate_every or math.ceil(steps / validations)
