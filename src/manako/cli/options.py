"""Options that several verbs share, and the reading of their values."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from manako.errors import UsageError

Data = Annotated[Path, typer.Argument(help="A folder or an archive (.tar, .zip, .tar.gz).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No messages and no progress on stderr.")]
Device = Annotated[str, typer.Option(help="auto, cpu, or for example cuda:0.")]
Batch = Annotated[
    int | None, typer.Option("--batch", "--batch-size", min=2, help="Pictures in one step.")
]


def is_first_process() -> bool:
    """Whether this process speaks: of several that `torchrun` started, only the first does."""
    return os.environ.get("RANK", "0") == "0"


def parse_options(
    texts: list[str] | None, flag: str = "--model-option"
) -> dict[str, int | float | str | bool] | None:
    """`["width=32", "name=x"]` as `{"width": 32, "name": "x"}`; None where there is none.

    >>> parse_options(["width=32"])
    {'width': 32}
    """
    if not texts:
        return None
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} {text!r} is not understood", expected="NAME=VALUE")
        options[name] = _value(value)
    return options


def parse_freeze(text: str | None) -> int | Literal["backbone"] | None:
    """A number of stages, or "backbone".

    >>> parse_freeze("2"), parse_freeze("backbone")
    (2, 'backbone')
    """
    if text is None or text == "backbone":
        return text  # type: ignore[return-value]  # one of the two
    if not re.fullmatch(r"\d{1,6}", text):
        raise UsageError(
            f"--freeze {text!r} is not understood",
            expected="a number of stages, counted from the input, or backbone",
        )
    return int(text)


def _value(text: str) -> int | float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE):
        return float(text)
    return text
