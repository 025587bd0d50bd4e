"""A network as large as the budgets allow, and of the shape that suits the pictures.

EfficientNet's method as a tool: of the rates at which depth, width and resolution may grow, some
that are unlike each other are tried. Each is scaled until it just fits, all are trained for the
same time, and the best on validation wins.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from manako.arithmetic.compound import (
    Base,
    Options,
    Rates,
    Scaled,
    grid,
    largest,
    refuse_unscalable,
    spread,
)
from manako.config import format_duration, format_size
from manako.config.settings import Asked, Settings
from manako.console.messages import say
from manako.data.opened import read_for_training
from manako.errors import UsageError
from manako.models.zoo import create_model, model_info
from manako.runs.folder import write_json
from manako.runs.result import Run
from manako.runs.start import resolve_settings, selection_of, train
from manako.structures import Score
from manako.training.precision import exact_arithmetic

SMALLER = 0.8  # of the multiply-adds, when a network that fits otherwise is too slow
LATENCY_PASSES = 7
UNSCALED = Rates(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Limits:
    """What a network may cost; None is no limit.

    `memory_bytes` is that of a training step, `latency_seconds` that of a prediction of one picture
    in float32 on this machine.
    """

    macs: float | None = None
    memory_bytes: float | None = None
    latency_seconds: float | None = None


@dataclass(frozen=True)
class Trial:
    """A network that fits, and how well it learned in its time."""

    scaled: Scaled
    latency_seconds: float
    memory_bytes: int
    score: Score
    run: Run

    @property
    def is_unscaled(self) -> bool:
        """Whether it is the network as it was given."""
        return self.scaled.rates == UNSCALED


@dataclass(frozen=True)
class Scaling:
    """All trials, the best on validation first; `headline` names the score they are compared by."""

    model: str
    headline: str
    limits: Limits
    trials: tuple[Trial, ...]
    folder: Path

    @property
    def winner(self) -> Trial:
        """The best on validation."""
        return self.trials[0]

    @property
    def as_good(self) -> tuple[Trial, ...]:
        """Trials whose interval holds the winner's score: chance may have put them behind."""
        best = self.winner.score.value
        return tuple(
            one for one in self.trials[1:] if one.score.high is None or one.score.high >= best
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, as `scaling.json` has it."""
        return {
            "model": self.model,
            "score": self.headline,
            "limits": vars(self.limits),
            "trials": [_trial_json(one) for one in self.trials],
        }


def scale(
    data: str | Path,
    model: str,
    limits: Limits,
    *,
    out: Path,
    budget_seconds: float | None = None,
    candidates: int = 5,
    **asked: Any,
) -> Scaling:
    """Search, train and compare; the runs and `scaling.json` go into the new folder `out`.

    The budget is for all runs together. `asked` is what `train` takes, the same for all; with
    `steps` or `epochs` in it no budget is needed.

    Raises:
        UsageError: no limit, a model without factors, limits that nothing meets.
    """
    if not any(vars(limits).values()):
        raise UsageError("nothing limits the network", fix="give --macs, --memory or --latency")
    refuse_unscalable(model, tuple(model_info(model).options))
    settings = resolve_settings(data, model, budget_seconds=budget_seconds, **asked).settings
    dataset = read_for_training(data, selection_of(Asked.of({**asked, "model": model})))
    base = _base(len(dataset.classes), settings)
    found = fitting(base, settings, limits, candidates)
    share = None if budget_seconds is None else budget_seconds / len(found)
    length = "alike" if share is None else f"for {format_duration(share)}"
    say(f"scaling: {len(found)} networks fit; each is trained {length}")
    trials = []
    for number, (scaled, latency) in enumerate(found, 1):
        say(f"\n{number} of {len(found)}: {described(scaled)}")
        own = asked | {"model_options": scaled.options, "size_hw": scaled.size_hw}
        run = train(data, model, out=out / f"run-{number}", budget_seconds=share, **own)
        scores = run.metrics["val"]
        memory = _memory(scaled, settings)
        trials.append(Trial(scaled, latency, memory, scores.overall[scores.headline], run))
    trials.sort(key=lambda one: -one.score.value)
    scaling = Scaling(model, scores.headline, limits, tuple(trials), out)
    write_json(out / "scaling.json", scaling.as_json())
    return scaling


def fitting(
    base: Base, settings: Settings, limits: Limits, candidates: int
) -> list[tuple[Scaled, float]]:
    """Networks within the limits, all unlike, with the seconds of a prediction each.

    The network as it was given is among them, if it fits.
    """
    found: dict[tuple[Any, ...], tuple[Scaled, float]] = {}
    as_given = base.at(UNSCALED, 0.0)
    choices = [as_given] if _within(as_given, settings, limits) else []
    for rates in spread(grid(), candidates):
        scaled = largest(base, rates, lambda one: _within(one, settings, limits))
        if scaled is not None:
            choices.append(scaled)
    for scaled in choices:
        fast = _fast_enough(base, scaled, settings, limits)
        if fast is not None:
            one, _ = fast
            found.setdefault((*sorted(one.options.items()), one.size_hw), fast)
    if not found:
        raise UsageError(
            f"no form of {base.model} is within the limits: as given it needs "
            f"{as_given.cost.macs:,} multiply-adds and {_memory(as_given, settings):,} bytes",
            fix="raise --macs, --memory or --latency, or choose a smaller model",
        )
    return list(found.values())


def described(scaled: Scaled) -> str:
    """One line: factors, size and cost."""
    factors = scaled.options
    return (
        f"depth x{factors['depth_factor']:.2f}, width x{factors['width_factor']:.2f}, "
        f"{format_size(scaled.size_hw)} px: {scaled.cost.macs / 1e6:,.0f} million multiply-adds, "
        f"{scaled.cost.params / 1e6:,.2f} million weights"
    )


def prediction_seconds(base: Base, scaled: Scaled, threads: int) -> float:
    """The median time of a prediction of one picture, in float32 on the CPU."""
    with exact_arithmetic(threads), torch.inference_mode():
        network = create_model(
            base.model,
            num_classes=base.num_classes,
            in_channels=base.in_channels,
            **scaled.options,
        ).eval()
        picture = torch.zeros(1, base.in_channels, *scaled.size_hw)
        seconds = []
        for _ in range(LATENCY_PASSES + 1):
            start = time.perf_counter()
            network(picture)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first makes the memory


def _base(classes: int, settings: Settings) -> Base:
    options: Options = dict(settings.model_options)
    if "size" in model_info(settings.model).options:
        options["size"] = settings.size_hw[0]
    return Base(settings.model, options, classes, settings.channels, settings.size_hw)


def _within(scaled: Scaled, settings: Settings, limits: Limits) -> bool:
    macs, memory = limits.macs, limits.memory_bytes
    if macs is not None and scaled.cost.macs > macs:
        return False
    return memory is None or _memory(scaled, settings) <= memory


def _memory(scaled: Scaled, settings: Settings) -> int:
    states = 2 if settings.optimizer == "adamw" else 1
    return scaled.cost.training_bytes(settings.batch // settings.accumulate, states)


def _fast_enough(
    base: Base, scaled: Scaled, settings: Settings, limits: Limits
) -> tuple[Scaled, float] | None:
    """The network, or one of the same rates that is small enough to be fast, and its seconds."""
    seconds = prediction_seconds(base, scaled, settings.threads)
    if limits.latency_seconds is None or seconds <= limits.latency_seconds:
        return scaled, seconds
    if scaled.rates == UNSCALED:
        return None
    most = SMALLER * scaled.cost.macs * limits.latency_seconds / seconds
    while True:
        smaller = largest(base, scaled.rates, _at_most(most))
        if smaller is None:
            return None
        seconds = prediction_seconds(base, smaller, settings.threads)
        if seconds <= limits.latency_seconds:
            return smaller, seconds
        most *= SMALLER


def _at_most(macs: float) -> Callable[[Scaled], bool]:
    return lambda one: one.cost.macs <= macs


def _trial_json(trial: Trial) -> dict[str, Any]:
    scaled = trial.scaled
    return {
        "rates": vars(scaled.rates),
        "phi": round(scaled.phi, 3),
        "options": scaled.options,
        "size_hw": scaled.size_hw,
        "macs": scaled.cost.macs,
        "params": scaled.cost.params,
        "training_bytes": trial.memory_bytes,
        "prediction_seconds": trial.latency_seconds,
        "validation": trial.score.as_json(),
        "run": str(trial.run.folder),
    }
