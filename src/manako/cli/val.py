"""`manako val`: a recognizer against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Data, Device, Json, Quiet


def val(
    recognizer: Annotated[Path, typer.Argument(help="A recognizer's or a run's folder.")],
    data: Data,
    split: Annotated[
        str | None, typer.Option(help="train, val, test, or all of an unsplit set.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 64,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Splits data that come unsplit; else the run's.")
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(help="A list of pictures to leave out, beside those that the run left out."),
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Add coverage and the accuracy of sure answers.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the predictions to this CSV file.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a recognizer on a data set, with intervals."""
    from dataclasses import replace

    from manako.cli.results import show_scores
    from manako.console.messages import set_quiet
    from manako.data.exclusion import parse_exclude_file
    from manako.data.memory import keep_freed_memory
    from manako.recognizer import evaluate_data, load_recognizer
    from manako.runs.finish import save_predictions
    from manako.storage.files import expect_file_place
    from manako.training.precision import choose_device

    set_quiet(quiet)
    keep_freed_memory()
    if out is not None:
        expect_file_place(out)
    loaded = load_recognizer(recognizer, choose_device(device))
    selection = loaded.spec.selection
    if seed is not None:
        selection = replace(selection, seed=seed)
    if exclude is not None:
        selection = replace(selection, excluded=parse_exclude_file(exclude))
    found = evaluate_data(
        loaded, data, split=split, selection=selection, batch_size=batch, unknown=unknown
    )
    if out is not None:
        save_predictions(out, found.evaluation, found.data, found.split)
    show_scores({found.split: found.evaluation.scores}, json)
