"""A network as large as the budgets allow, and of the shape that suits the pictures.

EfficientNet's method as a tool: of the rates at which depth, width and resolution may grow, some
that are unlike each other are tried. Each is scaled until it just fits, all are trained for the
same time, and the best on validation wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manako.arithmetic.compound import Base, Rates, refuse_unscalable
from manako.config import format_duration
from manako.config.settings import Asked
from manako.console.messages import say, warn
from manako.data.opened import read_for_training
from manako.errors import NumericError, ResourceError, UsageError
from manako.models.zoo import model_info
from manako.recipes.compound_search import Candidate, Limits, base_of, fitting
from manako.runs.folder import RunFolder, read_json, write_json
from manako.runs.result import Run
from manako.runs.start import resolve_settings, resume, selection_of, train
from manako.storage.files import expect_place
from manako.structures import Score

PLAN, RESULT = "plan.json", "scaling.json"


@dataclass(frozen=True)
class Trial:
    """A network that fits, and how well it learned in its time."""

    candidate: Candidate
    score: Score
    run: Run


@dataclass(frozen=True)
class Failure:
    """A network that fits and could not be trained, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class Scaling:
    """All trials, the best on validation first; `headline` names the score they are compared by."""

    model: str
    headline: str
    limits: Limits
    trials: tuple[Trial, ...]
    failures: tuple[Failure, ...]
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
            "trials": [
                _figures(one.candidate)
                | {"validation": one.score.as_json(), "run": str(one.run.folder)}
                for one in self.trials
            ],
            "failures": [_figures(one.candidate) | {"reason": one.reason} for one in self.failures],
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
    """Search, train and compare; the runs and `scaling.json` go into the folder `out`.

    The budget is for all trainings together; the search, which takes seconds to a minute, comes on
    top. `asked` is what `train` takes, the same for all; with `steps` or `epochs` in it no budget
    is needed. Where `out` holds the beginnings of the same search, it goes on.

    Raises:
        UsageError: no limit, no length, a model without factors, limits that nothing meets,
            something else in `out`; what the last network said if none could be trained.
        DataError: signals or volumes, or what `train` refuses.
    """
    wanted = Asked.of({**asked, "model": model})
    _refuse_endless(limits, budget_seconds, wanted)
    refuse_unscalable(model, tuple(model_info(model).options), model_info(model).task)
    question = _question(data, limits, budget_seconds, candidates, wanted)
    _refuse_another(out, question)
    settings = resolve_settings(data, model, budget_seconds=budget_seconds, **asked).settings
    if settings.signal is not None:
        raise UsageError(
            "the data hold signals or volumes, which cannot be seen finer",
            fix="scale a network for pictures; width_factor and depth_factor are options of train",
        )
    classes = len(read_for_training(data, selection_of(wanted)).classes)
    base = base_of(classes, settings)
    if (out / PLAN).exists():
        found = _planned(out, base)
    else:
        found = fitting(base, settings, limits, candidates)
        _write_plan(out, question, found)
    share = None if budget_seconds is None else budget_seconds / len(found)
    length = "alike" if share is None else f"for {format_duration(share)}"
    say(f"scaling: {len(found)} networks fit; each is trained {length}")
    trials, failures = _train_all(found, data, out, share, {**asked, "model": model})
    headline = trials[0].run.metrics["val"].headline
    ordered = sorted(trials, key=lambda one: -one.score.value)
    scaling = Scaling(model, headline, limits, tuple(ordered), tuple(failures), out)
    write_json(out / RESULT, scaling.as_json())
    return scaling


def _train_all(
    found: list[Candidate],
    data: str | Path,
    out: Path,
    share: float | None,
    asked: Mapping[str, Any],
) -> tuple[list[Trial], list[Failure]]:
    """A run for each; one that cannot be trained does not end the others."""
    trials: list[Trial] = []
    failures: list[Failure] = []
    for number, one in enumerate(found, 1):
        say(f"\n{number} of {len(found)}: {one}")
        folder = out / f"run-{number}"
        own = {"model_options": one.scaled.options, "size_hw": one.scaled.size_hw}
        try:
            if RunFolder(folder).facts.exists():
                run = resume(folder)
            else:
                run = train(data, out=folder, budget_seconds=share, **{**asked, **own})
        except (UsageError, NumericError, ResourceError) as error:
            if number == len(found) and not trials:
                raise
            warn(f"left out: {error.what}")
            failures.append(Failure(one, error.what))
        else:
            scores = run.metrics["val"]
            trials.append(Trial(one, scores.overall[scores.headline], run))
    return trials, failures


def _refuse_endless(limits: Limits, budget_seconds: float | None, asked: Asked) -> None:
    if not any(vars(limits).values()):
        raise UsageError("nothing limits the network", fix="give --macs, --memory or --latency")
    if budget_seconds is None and asked.steps is None and asked.epochs is None:
        raise UsageError("nothing limits the trainings", fix="give --budget or --steps")


def _question(
    data: str | Path, limits: Limits, budget_seconds: float | None, candidates: int, asked: Asked
) -> dict[str, Any]:
    """What was asked for, as JSON has it."""
    return {
        "data": str(Path(data).resolve()),
        "limits": vars(limits),
        "budget_seconds": budget_seconds,
        "candidates": candidates,
        "asked": asked.model_dump(mode="json", exclude_none=True),
    }


def _refuse_another(out: Path, question: Mapping[str, Any]) -> None:
    """Raise UsageError where `out` holds anything but the same search."""
    expect_place(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / PLAN).exists():
        raise UsageError(
            f"{out} is there already", expected="a new folder", fix="choose another --out"
        )
    if read_json(out / PLAN)["question"] != json.loads(json.dumps(question)):
        raise UsageError(
            f"{out} holds another search",
            fix="ask as then to go on with it, or choose another --out",
        )


def _write_plan(out: Path, question: Mapping[str, Any], found: list[Candidate]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / PLAN, {"question": question, "candidates": [_figures(one) for one in found]})


def _planned(out: Path, base: Base) -> list[Candidate]:
    """The networks that an interrupted search had found."""
    return [
        Candidate(
            base.at(Rates(**one["rates"]), one["phi"]),
            one["training_bytes"],
            one["prediction_seconds"],
        )
        for one in read_json(out / PLAN)["candidates"]
    ]


def _figures(candidate: Candidate) -> dict[str, Any]:
    scaled = candidate.scaled
    return {
        "rates": vars(scaled.rates),
        "phi": scaled.phi,
        "options": scaled.options,
        "size_hw": scaled.size_hw,
        "macs": scaled.cost.macs,
        "params": scaled.cost.params,
        "training_bytes": candidate.memory_bytes,
        "prediction_seconds": candidate.latency_seconds,
    }
