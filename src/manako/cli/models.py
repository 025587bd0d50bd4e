"""`manako models`: what can be trained."""

from __future__ import annotations

from typing import Annotated

import typer

from manako.cli.options import Json


def models(
    pattern: Annotated[str, typer.Argument(help="For example 'resnet*'.")] = "*",
    task: Annotated[str | None, typer.Option(help="Only models for this task.")] = None,
    json: Json = False,
) -> None:
    """List the models, with task, parameters and source."""
    from manako.console.messages import print_json, print_table
    from manako.models.zoo import list_models, model_info

    infos = [model_info(name) for name in list_models(task=task, pattern=pattern)]
    if json:
        print_json([{"name": one.name, "task": one.task, "params": one.params} for one in infos])
        return
    rows = [
        (one.name, one.task, one.params, "x".join(map(str, one.size_hw)), one.year, one.paper.title)
        for one in infos
    ]
    print_table(("name", "task", "parameters", "input", "year", "paper"), rows)
