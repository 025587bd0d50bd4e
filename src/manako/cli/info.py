"""`manako info`: one model in figures, as a whole and layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from manako.cli.options import Json, parse_options

if TYPE_CHECKING:
    from manako.arithmetic import Arithmetic, Layer
    from manako.models.dimensions import Dimensions
    from manako.models.zoo import ModelInfo


def info(
    name: Annotated[str, typer.Argument(help="A name from `manako models`.")],
    imgsz: Annotated[
        str | None, typer.Option(help="One side for all, or each, as in 360x480.", metavar="SIZE")
    ] = None,
    dims: Annotated[
        int, typer.Option(min=1, max=3, help="2 for pictures, 1 for signals, 3 for volumes.")
    ] = 2,
    channels: Annotated[int | None, typer.Option(min=1, help="3 for RGB, 1 for grey.")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="How many classes.")] = None,
    model_option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, an option of the model; repeat for more.")
    ] = None,
    depth: Annotated[
        int, typer.Option(min=0, help="How deep the layers' names are told apart; 0 for each.")
    ] = 2,
    plot: Annotated[
        Path | None, typer.Option(help="A picture of the layers: a file .svg, .png or .pdf.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a model's task, paper, weights and their terms, and what it costs, layer by layer."""
    from manako.arithmetic import arithmetic
    from manako.console.messages import print_json, print_table, print_text, say
    from manako.models.zoo import create_without_values, model_info

    facts = model_info(name)
    options: dict[str, Any] = dict(parse_options(model_option) or {})
    channels = channels or facts.in_channels
    network: Any = create_without_values(
        name,
        num_classes=classes or facts.num_classes,
        in_channels=channels,
        dims=cast("Dimensions", dims),
        **options,
    )
    size = _size(imgsz, dims, getattr(network, "fixed_size_hw", facts.size_hw))
    cost = arithmetic(network, input_size=size, in_channels=channels)
    layers = cost.grouped(depth)
    if plot is not None:
        from manako.reports.network_plot import plot_network

        plot_network(plot, f"{name}, {_text(cost.input)}", layers)
        say(f"drawn: {plot}")
    values = _facts(facts, cost, network, classes=classes or facts.num_classes, options=options)
    if json:
        public = [vars(one) for one in facts.published]
        of_layers = [vars(one) for one in layers]
        own = {"licences": dict(facts.licences), "published": public, "layers": of_layers}
        print_json(values | own)
        return
    print_table(("fact", "value"), _rows(facts, values))
    print_text("")
    print_table(
        ("layer", "kind", "output", "parameters", "multiply-adds", "kept kB", "stride", "sees px"),
        map(_cells, layers),
    )


def _size(text: str | None, dims: int, usual_hw: tuple[int, int]) -> tuple[int, ...]:
    from manako.config import parse_sides

    if text is None:
        return usual_hw if dims == 2 else usual_hw[:1] * dims
    sides = parse_sides(text)
    return sides * dims if len(sides) == 1 else sides


def _facts(
    facts: ModelInfo, cost: Arithmetic, network: Any, *, classes: int, options: Mapping[str, Any]
) -> dict[str, object]:
    from manako.models.zoo import seen_by_last_map

    channels, *sides = cost.input
    sees = seen_by_last_map(network, channels, cast("Dimensions", len(sides)))
    return {
        "name": facts.name,
        "task": facts.task,
        "paper": f"{facts.paper.title} ({facts.paper.year})",
        "arxiv": facts.paper.arxiv,
        "reference": facts.reference,
        "parameters": cost.params,
        "multiply_adds": cost.macs,
        "kept_bytes_of_a_picture_in_training": cost.kept_bytes,
        "receptive_field_pixels": sees,
        "input": cost.input,
        "least_side_pixels": network.least_side,
        "classes": classes,
        "options": {**facts.options, **options},
        "weights": list(facts.weights),
    }


def _rows(facts: ModelInfo, values: dict[str, object]) -> Iterable[tuple[str, str]]:
    for fact, value in values.items():
        yield fact.replace("_", " "), f"{value:,}" if isinstance(value, int) else _text(value)
    for source, terms in facts.licences.items():
        yield f"licence of {source}", terms
    for one in facts.published:
        file = f"{one.layout}'s, {one.side} px; {one.licence}"
        yield f"manako fetch {facts.name} --label {one.label}", file


def _cells(layer: Layer) -> tuple[Any, ...]:
    seen: object = layer.receptive_field
    if layer.stride is not None and seen is None:
        seen = "all"  # of the picture
    numbers = (layer.params, layer.macs, round(layer.kept_bytes / 1000))
    return (
        layer.name,
        layer.kind,
        _text(layer.output),
        *(number or None for number in numbers),
        layer.stride,
        seen,
    )


def _text(value: object) -> str:
    if value is None:
        return "all of the picture"
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
