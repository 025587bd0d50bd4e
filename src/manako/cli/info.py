"""`manako info`: one model in figures."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from manako.cli.options import Json


def info(
    name: Annotated[str, typer.Argument(help="A name from `manako models`.")],
    json: Json = False,
) -> None:
    """Show a model's task, paper, parameters, multiply-adds and input size."""
    from manako.console.messages import print_json, print_table
    from manako.models.zoo import model_info

    facts = model_info(name)
    values = {one.name: getattr(facts, one.name) for one in dataclasses.fields(facts)}
    values["macs"] = facts.macs
    if json:
        print_json(values)
        return
    shown = ((key, f"{one:,}" if isinstance(one, int) else str(one)) for key, one in values.items())
    print_table(("fact", "value"), shown)
