"""`manako resume`: go on with a run that was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Json, Quiet, is_first_process


def resume(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run; it ends as if it had never been stopped."""
    from manako.cli.results import show_run
    from manako.console.messages import set_quiet
    from manako.runs.start import resume as resume_run

    set_quiet(quiet or not is_first_process())
    finished = resume_run(run)
    if is_first_process():
        show_run(finished, json)
