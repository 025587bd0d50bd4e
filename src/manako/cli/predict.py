"""`manako predict`: what a recognizer says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Device, Json, Quiet


def predict(
    recognizer: Annotated[Path, typer.Argument(help="A recognizer's or a run's folder.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Files, folders, and patterns in quotes such as 'photos/**/*.jpg'."),
    ],
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 64,
    top: Annotated[int, typer.Option(min=1, help="The most probable classes that are listed.")] = 1,
    score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score of a box that is listed: 0.3.")
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Call pictures unknown where the answer is unsure.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the answers to this CSV file.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write predictions.csv and the drawn pictures here.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recognize pictures: print what was found, or write it to a file or a folder.

    Pictures that cannot be read are named; the others are answered, and the exit code is 3.
    """
    from manako.cli.results import show_answers
    from manako.console.messages import set_quiet
    from manako.data.memory import keep_freed_memory
    from manako.errors import DataError, UsageError
    from manako.recognizer import load_recognizer
    from manako.reports.answers import Wanted
    from manako.runs.inputs import PICTURES, SIGNALS, find_inputs
    from manako.runs.predict import predict_pictures
    from manako.training.precision import choose_device

    set_quiet(quiet)
    keep_freed_memory()
    loaded = load_recognizer(recognizer, choose_device(device))
    found = find_inputs(pictures, PICTURES if loaded.spec.signal is None else SIGNALS)
    if score is not None and loaded.spec.task != "detection":
        raise UsageError(
            f"--score is for boxes, and the recognizer is for {loaded.spec.task}",
            fix="leave --score out",
        )
    answers = predict_pictures(
        loaded,
        found,
        batch_size=batch,
        wanted=Wanted(top, Wanted.least_score if score is None else score, unknown),
        out=out,
        csv=csv,
    )
    show_answers(answers, json)
    unread = sum("error" in answer for answer in answers)
    if unread:
        raise DataError(
            f"{unread:,} of {len(answers):,} pictures could not be read; the warnings name them",
            expected="whole pictures of a known format",
            fix="replace them or leave them out; all others are answered",
        )
