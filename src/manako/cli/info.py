"""`manako info`: one model in figures."""

from __future__ import annotations

from typing import Annotated

import typer

from manako.cli.options import Json


def info(
    name: Annotated[str, typer.Argument(help="A name from `manako models`.")],
    json: Json = False,
) -> None:
    """Show a model's task, paper, cost, receptive field, input sizes, weights and their terms."""
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
        "receptive_field_pixels": facts.receptive_field,
        "input": f"{facts.in_channels}x{size}",
        "least_side_pixels": facts.least_side,
        "classes": facts.num_classes,
        "options": dict(facts.options),
        "weights": list(facts.weights),
    }
    if json:
        public = [vars(one) for one in facts.published]
        print_json({**values, "licences": dict(facts.licences), "published": public})
        return
    rows = [
        (fact.replace("_", " "), f"{value:,}" if isinstance(value, int) else _text(value))
        for fact, value in values.items()
    ]
    rows += [(f"licence of {source}", terms) for source, terms in facts.licences.items()]
    rows += [
        (
            f"manako fetch {facts.name} --label {one.label}",
            f"{one.layout}'s, {one.side} px; {one.licence}",
        )
        for one in facts.published
    ]
    print_table(("fact", "value"), rows)


def _text(value: object) -> str:
    if value is None:
        return "all of the picture"
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
