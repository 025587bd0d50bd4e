"""`manako demo`: the whole way once, on real digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Json, Quiet


def demo(
    out: Annotated[Path, typer.Option(help="Where pictures and run are written.")] = Path(
        "runs/demo"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on 1,797 handwritten digits, score, predict and report, in about a minute."""
    from manako.cli.results import show_answers, show_run
    from manako.console.messages import set_quiet
    from manako.recipes.digits import digits

    set_quiet(quiet)
    run, found = digits(out)
    show_run(run, json)
    if not json:
        show_answers(found, json=False)
