"""A wall-clock budget becomes a number of steps."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from manako.config.settings import Resolved
from manako.console.messages import say
from manako.data.loader import SampleSource
from manako.recognizer import EVALUATION_BATCH, evaluate
from manako.runs.defaults import recipe_for
from manako.runs.folder import RunFolder
from manako.runs.session import Session
from manako.structures import Sample
from manako.training.budget import measure_pace, plan_steps

_TRIAL_SHARE = 0.02  # of the budget, spent on measuring


def resolve_budget(resolved: Resolved, session: Session, started: float) -> Resolved:
    """`resolved` with the steps, validations and warm-up that end in time.

    `started` is when the clock of the budget began, on `time.monotonic`. Measured on a network that
    is thrown away; the run itself begins untouched. Every process gets the first one's answer.
    """
    settings = resolved.settings
    budget = settings.budget_seconds
    assert budget is not None, "only a run with a budget is planned"
    with tempfile.TemporaryDirectory() as scratch:
        pace = measure_pace(
            session.new_model,
            session.parts(RunFolder(Path(scratch))),
            seconds=budget * _TRIAL_SHARE,
            validation_seconds=lambda model: _validation_seconds(session, model),
        )
    asked = resolved.origins["validate_every"] == "asked"
    # Every process must plan the same, so all use the first one's clock.
    pace, elapsed = session.processes.share((pace, time.monotonic() - started))
    steps, validate_every = plan_steps(
        settings, pace, budget - elapsed, settings.validate_every if asked else None
    )
    changes = {"steps": steps, "validate_every": validate_every}
    if resolved.origins["warmup_steps"] != "asked":
        changes["warmup_steps"] = round(recipe_for(settings.model).warmup * steps)
    origin = f"for the budget: {pace.step_seconds:.3f} s a step were measured"
    origins = {**resolved.origins, "steps": origin}
    if not asked:
        origins["validate_every"] = origin
    if session.processes.first:
        say(f"budget: {steps} steps of {settings.batch} pictures")
    return Resolved(settings=settings.model_copy(update=changes), origins=origins)


def _validation_seconds(session: Session, model: nn.Module) -> float:
    source = session.data.source("val")
    some = _First(source, min(len(source), 2 * EVALUATION_BATCH))
    clock = time.monotonic()
    recognizer = session.recognizer(model)
    evaluate(recognizer, some, batch_size=EVALUATION_BATCH, intervals=False)
    return (time.monotonic() - clock) * len(source) / len(some)


@dataclass(frozen=True)
class _First:
    """The first `count` samples of `source`."""

    source: SampleSource
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self.source[index]
