"""Before a run: how fast it will be, whether its network can learn, and how long it may take."""

from __future__ import annotations

import math
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from manako.config import format_duration, format_size
from manako.config.settings import Asked, Resolved, Settings
from manako.console.messages import say
from manako.data.loader import SampleSource
from manako.data.order import steps_per_epoch
from manako.errors import DataError, UsageError
from manako.recognizer import EVALUATION_BATCH, evaluate
from manako.runs.choices import SIZE_OF_THE_BUDGET, allowed_sizes, augmentation_numbers
from manako.runs.defaults import recipe_for
from manako.runs.folder import RunFolder
from manako.runs.session import Facts, Session
from manako.structures import Sample
from manako.training.budget import MOST_STEPS, Pace, measure_step, plan_steps
from manako.training.preflight import LEAST_STEPS, Preflight, preflight
from manako.training.preflight import MOST_SECONDS as PREFLIGHT_SECONDS
from manako.training.preflight import MOST_STEPS as PREFLIGHT_STEPS

_TRIAL_SHARE = 0.02  # of the budget, spent on measuring
_PREFLIGHT_SHARE = 0.04  # of the budget, at most
_PREFLIGHT_PICTURES = 0.1  # of those of a run without a budget, at most
_FORECAST_SECONDS = 2.0
_FORECAST_SHARE = 20  # a forecast takes one of so many steps of the run
_FORECAST_PICTURES = 16
_EPOCHS_SHARE = 0.5  # of the recipe's epochs: with less, a smaller picture is the better choice
_SURELY_TOO_FEW = 0.7  # of the epochs that are wanted, when guessed from the number of pixels
_REPORT_SECONDS = 1.5
_EVALUATION_MARGIN = 1.15  # intervals and predictions beside the scores


def prepare(
    asked: Asked, resolved: Resolved, session: Session, started: float
) -> tuple[Resolved, Session]:
    """The run as it will be carried out, after its pace was measured and its pre-flight passed.

    `started` is when the clock of the budget began, on `time.monotonic`. Everything is done on
    networks that are thrown away; the run itself begins untouched, and with the same bits with and
    without. Every process gets the first one's answers.
    """
    if resolved.settings.budget_seconds is None:
        _rehearse(session)
        _forecast(session)
        return resolved, session
    resolved, session, pace = _fitting_size(asked, resolved, session, started)
    _rehearse(session)
    resolved = _planned(resolved, session, pace, started)
    return resolved, replace(session, settings=resolved.settings)


def _fitting_size(
    asked: Asked, resolved: Resolved, session: Session, started: float
) -> tuple[Resolved, Session, Pace]:
    """The pace, at the largest picture size for whose training the budget has time enough.

    Where the size is not left to the budget, it is the one that there is.
    """
    settings = resolved.settings
    if resolved.origins["size_hw"] != SIZE_OF_THE_BUDGET:
        return resolved, session, _paced(session)
    allowed = allowed_sizes(settings.model, settings.channels, settings.model_options)
    wanted = recipe_for(settings.model).epochs * _EPOCHS_SHARE
    # From the smallest on: what is too slow is not measured for long.
    chosen, pace, epochs, reason = session, Pace(0.0, 0.0), 0.0, ""
    for size_hw in reversed(allowed.smaller(settings.size_hw)):
        larger = math.prod(size_hw) / math.prod(chosen.settings.size_hw)
        if epochs and epochs / larger < wanted * _SURELY_TOO_FEW:
            reason = f", about {_counted(epochs / larger)} at {format_size(size_hw)}"
            break
        there = _at_size(asked, session, size_hw)
        measured = _paced(there)
        found = _epochs(there, measured, _left(there, started))
        if epochs and found < wanted:
            reason = f", {_counted(found)} at {format_size(size_hw)}"
            break
        chosen, pace, epochs = there, measured, found
        if found < wanted:
            break
    origin = f"auto: the budget has time for {_counted(epochs)} epochs{reason}"
    if session.processes.first:
        shown = format_size(chosen.settings.size_hw)
        say(f"picture size: {shown}; {origin.removeprefix('auto: ')}")
    facts = Facts.measured(chosen.settings, session.data)
    origins = {**resolved.origins, "size_hw": origin}
    resolved = Resolved(settings=chosen.settings, origins=origins)
    return resolved, replace(chosen, facts=facts), pace


def _at_size(asked: Asked, session: Session, size_hw: tuple[int, int]) -> Session:
    """The session for pictures of that size, with the means and deviations of the old one."""
    changes = {"size_hw": size_hw}
    numbers = augmentation_numbers(
        {**session.settings.model_dump(), **changes}, asked.augment_options or {}
    )
    settings = session.settings.model_copy(update={**changes, "augment_options": numbers})
    return replace(session, settings=settings)


def _left(session: Session, started: float) -> float:
    """The seconds of the budget that are left; the same in every process."""
    budget = session.settings.budget_seconds
    assert budget is not None, "only a run with a budget is planned"
    return session.processes.share(budget - (time.monotonic() - started))


def _epochs(session: Session, pace: Pace, seconds: float) -> float:
    settings = session.settings
    try:
        steps, _ = plan_steps(settings, pace, seconds)
    except UsageError:  # not even ten steps fit
        return 0.0
    return steps / steps_per_epoch(len(session.data.source("train")), settings.batch)


def _paced(session: Session) -> Pace:
    budget = session.settings.budget_seconds
    assert budget is not None, "only a run with a budget is planned"
    return _measured(session, budget * _TRIAL_SHARE, MOST_STEPS, 2 * EVALUATION_BATCH)


def _measured(session: Session, seconds: float, steps: int, pictures: int) -> Pace:
    with tempfile.TemporaryDirectory() as scratch:
        parts = session.parts(RunFolder(Path(scratch)))
        step_seconds, model = measure_step(session.new_model, parts, seconds=seconds, steps=steps)
    one = _evaluation_seconds(session, model, pictures)
    sizes = [len(source) for split, source in session.data.sources.items() if split != "train"]
    pace = Pace(
        step_seconds=step_seconds,
        validation_seconds=one * len(session.data.source("val")),
        finish_seconds=one * sum(sizes) * _EVALUATION_MARGIN + _REPORT_SECONDS,
    )
    return session.processes.share(pace)  # every process must plan the same


def _evaluation_seconds(session: Session, model: nn.Module, pictures: int) -> float:
    """Seconds to score one validation picture.

    Where nothing is to be found in the first ones there is no score, and the time was taken.
    """
    source = session.data.source("val")
    some = _First(source, min(len(source), pictures))
    clock = time.monotonic()
    recognizer = session.recognizer(model)
    with suppress(DataError):
        evaluate(recognizer, some, batch_size=EVALUATION_BATCH, intervals=False)
    return (time.monotonic() - clock) / len(some)


def _planned(resolved: Resolved, session: Session, pace: Pace, started: float) -> Resolved:
    """`resolved` with the steps, validations and warm-up that end in time."""
    settings = resolved.settings
    asked = resolved.origins["validate_every"] == "asked"
    steps, validate_every = plan_steps(
        settings, pace, _left(session, started), settings.validate_every if asked else None
    )
    changes = {"steps": steps, "validate_every": validate_every}
    if resolved.origins["warmup_steps"] != "asked":
        changes["warmup_steps"] = round(recipe_for(settings.model).warmup * steps)
    origin = f"for the budget: {pace.step_seconds:.3f} s a step were measured"
    origins = {**resolved.origins, "steps": origin}
    if not asked:
        origins["validate_every"] = origin
    settings = settings.model_copy(update=changes)
    if session.processes.first:
        say(f"budget: {steps} steps of {settings.batch} pictures, {forecast(settings, pace)}")
    return Resolved(settings=settings, origins=origins)


def _forecast(session: Session) -> None:
    """Say how long a run without a budget will take, if that is worth measuring."""
    settings = session.settings
    steps = min(MOST_STEPS, settings.steps // _FORECAST_SHARE)
    if steps < 1:
        return
    pace = _measured(session, _FORECAST_SECONDS, steps, _FORECAST_PICTURES)
    if session.processes.first:
        say(forecast(settings, pace))


def forecast(settings: Settings, pace: Pace) -> str:
    """How long a run will take, and of what that is made.

    >>> from manako.config import Settings
    >>> settings = Settings(
    ...     data="d", task="detection", model="m", size_hw=(8, 8), lr=1, batch=2, steps=2300,
    ...     validate_every=115,
    ... )
    >>> forecast(settings, Pace(0.31, 0.5, 2.0))
    'about 12 min: 2,300 steps at 0.31 s, 20 validations'
    """
    validations = -(-settings.steps // settings.validate_every)
    seconds = settings.steps * pace.step_seconds + validations * pace.validation_seconds
    counted = "1 validation" if validations == 1 else f"{validations:,} validations"
    return (
        f"{'at most' if settings.stop_after else 'about'} "
        f"{_roughly(seconds + pace.finish_seconds)}: {settings.steps:,} steps at "
        f"{pace.step_seconds:.2g} s, {counted}"
    )


def _counted(epochs: float) -> str:
    return f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"


def _roughly(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
    return format_duration(seconds)


def _rehearse(session: Session) -> None:
    """The pre-flight, in the first process; what it refuses ends every process."""
    settings = session.settings
    if not settings.preflight:
        return
    seconds, steps = PREFLIGHT_SECONDS, PREFLIGHT_STEPS
    if settings.budget_seconds is None:
        steps = min(steps, int(settings.steps * settings.batch * _PREFLIGHT_PICTURES / 8))
        if steps < LEAST_STEPS:
            return  # the run itself will tell as soon
    else:
        seconds = min(seconds, settings.budget_seconds * _PREFLIGHT_SHARE)
    found = session.processes.by_first(lambda: _preflight(session, seconds, steps))
    if session.processes.first:
        say(str(found))


def _preflight(session: Session, seconds: float, steps: int) -> Preflight:
    with tempfile.TemporaryDirectory() as scratch:
        parts = session.parts(RunFolder(Path(scratch)))
        return preflight(session.new_model(), parts, seconds=seconds, steps=steps)


@dataclass(frozen=True)
class _First:
    """The first `count` samples of `source`."""

    source: SampleSource
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self.source[index]
