"""`manako predict`: what a recognizer says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Device, Json, Quiet


def predict(
    recognizer: Annotated[Path, typer.Argument(help="A recognizer's or a run's folder.")],
    pictures: Annotated[list[Path], typer.Argument(help="Files and folders of pictures.")],
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 64,
    score: Annotated[
        float, typer.Option(min=0, max=1, help="Least score of a box that is listed.")
    ] = 0.3,
    out: Annotated[
        Path | None, typer.Option(help="Write predictions.csv and the drawn pictures here.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recognize pictures: print what was found, or write it to a folder."""
    from manako.cli.results import show_predictions
    from manako.console.messages import set_quiet
    from manako.recognizer import load_recognizer
    from manako.runs.predict import find_pictures, predict_pictures
    from manako.training.precision import choose_device

    set_quiet(quiet)
    loaded = load_recognizer(recognizer, choose_device(device))
    found = predict_pictures(loaded, find_pictures(pictures), batch_size=batch, out=out)
    show_predictions(found, loaded.classes, least_score=score, json=json)
