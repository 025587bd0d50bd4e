"""`manako info`: one model in figures."""

from __future__ import annotations

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
    size = "x".join(map(str, facts.size_hw))
    values: dict[str, object] = {
        "name": facts.name,
        "task": facts.task,
        "paper": f"{facts.paper.title} ({facts.paper.year})",
        "arxiv": facts.paper.arxiv,
        "reference": facts.reference,
        "parameters": facts.params,
        "multiply_adds": facts.macs,
        "input": f"{facts.in_channels}x{size}",
        "classes": facts.num_classes,
        "options": dict(facts.options),
        "weights": list(facts.weights),
    }
    if json:
        print_json(values)
        return
    rows = [
        (fact.replace("_", " "), f"{value:,}" if isinstance(value, int) else _text(value))
        for fact, value in values.items()
    ]
    print_table(("fact", "value"), rows)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "recognizer folders"
    return str(value)
