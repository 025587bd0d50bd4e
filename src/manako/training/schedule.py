"""Learning-rate schedules as pure functions of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from manako.config.settings import ScheduleName, Settings


def learning_rate(settings: Settings, step: int) -> float:
    """The learning rate of `step` (0 is the first) in a run of `settings.steps` steps.

    A linear warm-up over `warmup_steps` multiplies every schedule but `onecycle`, which has its
    own.
    """
    factor = schedule_factor(settings.schedule, step, settings.steps)
    if settings.schedule != "onecycle" and step < settings.warmup_steps:
        factor *= (step + 1) / (settings.warmup_steps + 1)
    return settings.lr * factor


def schedule_factor(schedule: ScheduleName, step: int, steps: int) -> float:
    """The factor on the peak learning rate at `step` of `steps`.

    `cosine` falls from 1 to 0 along half a cosine (Loshchilov & Hutter 2017, eq. 5, one cycle);
    `step` divides by ten after 1/2 and after 3/4 (He et al. 2016, section 4.2: 32k and 48k of 64k);
    `onecycle` rises linearly over the first fifth and falls linearly to 0 (Smith & Topin 2018).

    >>> [round(schedule_factor("onecycle", step, 10), 2) for step in range(10)]
    [0.33, 0.67, 1.0, 0.88, 0.75, 0.62, 0.5, 0.38, 0.25, 0.12]
    """
    done = step / steps
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    rise = max(1, round(steps / 5))
    if step <= rise:
        return (step + 1) / (rise + 1)
    return (steps - step) / (steps - rise)
