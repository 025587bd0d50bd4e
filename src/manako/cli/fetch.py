"""`manako fetch`: public weights, the one verb that opens a connection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Json, Quiet


def fetch(
    model: Annotated[str, typer.Argument(metavar="<model>", help="One of `manako models`.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="<path>", help="The file to write; MODEL-LABEL.safetensors here."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Which file, where there are several.")] = None,
    sha256: Annotated[
        str | None, typer.Option(help="The hash to check by, in place of the published one.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download public weights of a model, verify and convert them."""
    from manako.console.messages import print_json, print_table, set_quiet
    from manako.console.progress import track
    from manako.models.fetch import fetch_weights

    set_quiet(quiet)
    with track(f"fetching {model}", unit="bytes") as bar:
        found = fetch_weights(model, out, label=label, sha256=sha256, on_progress=bar.advance)
    if json:
        print_json(
            {
                "path": str(found.path),
                "weights": found.weights,
                "url": found.source.url,
                "sha256": found.sha256,
                "licence": found.source.licence,
            }
        )
        return
    print_table(
        ("what", "value"),
        [
            ("file", found.path),
            ("from", found.source.url),
            ("sha256", found.sha256),
            ("licence", found.source.licence),
            ("use it by", f"--weights {found.weights}"),
        ],
    )
