"""`manako scale`: a network as large as the budgets allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manako.cli.options import Data, Json, Quiet

if TYPE_CHECKING:
    from manako.recipes.compound_scaling import Scaling, Trial
    from manako.recipes.compound_search import Candidate


def scale(
    model: Annotated[str, typer.Argument(help="A name from `manako models`.")],
    data: Data,
    budget: Annotated[
        str | None, typer.Option(help="Time for all trainings together: 10m, 1h30m.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Or the length of each training, in batches.")
    ] = None,
    macs: Annotated[
        str | None, typer.Option(help="Most multiply-adds for one picture: 500M, 1G.")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Most memory of a training step: 2G.")] = None,
    latency: Annotated[
        str | None, typer.Option(help="Longest prediction of one picture, here: 20ms.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="How many shapes are tried.")] = 5,
    imgsz: Annotated[
        str | None, typer.Option(help="The size at which scaling begins: 224 or 360x480.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for the runs: a new one, or that of a search to go on with."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Scale depth, width and resolution of a model until it fits; train, and name the best."""
    from manako.config import parse_amount, parse_duration, parse_size
    from manako.console.messages import print_json, set_quiet
    from manako.recipes.compound_scaling import scale
    from manako.recipes.compound_search import Limits

    set_quiet(quiet)
    limits = Limits(
        macs=parse_amount(macs) if macs else None,
        memory_bytes=parse_amount(memory) if memory else None,
        latency_seconds=parse_duration(latency) if latency else None,
    )
    found = scale(
        data,
        model,
        limits,
        out=Path("runs", "scale", f"{data.name.split('.')[0]}-{model}") if out is None else out,
        budget_seconds=parse_duration(budget) if budget else None,
        steps=steps,
        candidates=candidates,
        size_hw=parse_size(imgsz) if imgsz else None,
        seed=seed,
    )
    drawn = draw(found)
    if json:
        print_json(found.as_json() | {"plot": str(drawn)})
    else:
        show(found, drawn)


def draw(found: Scaling) -> Path:
    """The picture beside `scaling.json`."""
    from manako.reports.numbers import score_name
    from manako.reports.scaling_plot import Point, plot_scaling

    points = [
        Point(
            macs=trial.candidate.scaled.cost.macs,
            value=trial.score.value,
            low=trial.score.low,
            high=trial.score.high,
            label=_label(trial.candidate),
            is_best=trial is found.winner,
        )
        for trial in found.trials
    ]
    path = found.folder / "scaling.svg"
    plot_scaling(
        path, f"{found.model}, scaled", f"{score_name(found.headline)}, validation", points
    )
    return path


def show(found: Scaling, drawn: Path) -> None:
    """A row for each network, the best first, and what to make of it."""
    from manako.console.messages import print_table, say

    print_table(
        ("", "depth", "width", "pixels", "mult.-adds M", "weights M", "ms", "training MB", "val"),
        map(_row, found.trials),
    )
    say(f"\nbest on validation: {found.winner.run.folder}")
    if found.as_good:
        say(f"{len(found.as_good)} more may be as good: chance alone could have put them behind")
    for failure in found.failures:
        say(f"not trained: {failure.candidate}: {failure.reason}")
    say(f"drawn: {drawn}")


def _row(trial: Trial) -> tuple[object, ...]:
    from manako.config import format_size

    one, scaled = trial.candidate, trial.candidate.scaled
    return (
        "as given" if one.is_unscaled else f"phi {scaled.phi:.2f}",
        f"x{scaled.options['depth_factor']:.2f}",
        f"x{scaled.options['width_factor']:.2f}",
        format_size(scaled.size_hw),
        round(scaled.cost.macs / 1e6),
        round(scaled.cost.params / 1e6, 2),
        round(one.latency_seconds * 1000, 1),
        round(one.memory_bytes / 1e6),
        str(trial.score),
    )


def _label(candidate: Candidate) -> str:
    factors, side = candidate.scaled.options, candidate.scaled.size_hw[0]
    shape = f"d x{factors['depth_factor']:.2f}, w x{factors['width_factor']:.2f}, {side} px"
    return f"as given, {side} px" if candidate.is_unscaled else shape
