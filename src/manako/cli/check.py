"""`manako check`: what is wrong with a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manako.cli.options import Data, Json, Quiet

if TYPE_CHECKING:
    from manako.data.dataset import Dataset


def check(
    data: Data,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the pictures to this file.")
    ] = None,
    exclude_to: Annotated[
        Path | None,
        typer.Option(help="Write the pictures to leave out to this file, for train --exclude."),
    ] = None,
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="A picture in two splits is no failure.")
    ] = False,
    augment: Annotated[
        str | None, typer.Option(help="Show what this preset makes of pictures, in --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder for --augment.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode; by default one a core.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at every picture: damage, leakage, contradictions, classes, oddities."""
    from manako.console.messages import print_json, print_table, print_text, say, set_quiet
    from manako.data.check import write_exclude_file
    from manako.data.opened import read_for_training
    from manako.data.selection import Selection
    from manako.errors import DataError, UsageError
    from manako.reports.check_text import check_text, class_rows, verdict
    from manako.runs.doctor import checked
    from manako.storage.files import expect_file_place

    set_quiet(quiet)
    if (augment is None) != (out is None):
        raise UsageError("--augment and --out go together", fix="give a preset and a folder")
    for path in (html, exclude_to):
        if path is not None:
            expect_file_place(path)
    dataset = read_for_training(data, Selection())
    report = checked(dataset, workers=os.cpu_count() or 1 if workers is None else workers)
    if json:
        print_json(report.as_json())
    else:
        print_table(*class_rows(report))
        print_text(check_text(report, allow_leakage=allow_leakage))
    if html is not None:
        from manako.reports.check_page import write_check_page

        write_check_page(html, report, dataset)
        say(f"page: {html}")
    if exclude_to is not None:
        count = write_exclude_file(exclude_to, report)
        say(f"{count:,} pictures to leave out: {exclude_to}")
    if augment is not None and out is not None:
        _show_augmentation(out, dataset, augment)
    if not report.is_fit(allow_leakage=allow_leakage):
        listed = f"manako check {data} --exclude-to FILE" if exclude_to is None else ""
        fix = f"manako train {data} --exclude {exclude_to or 'FILE'} leaves them out"
        raise DataError(
            verdict(report, allow_leakage=allow_leakage),
            fix=f"{listed}, then {fix}" if listed else fix,
        )


def _show_augmentation(folder: Path, dataset: Dataset, preset: str) -> None:
    from manako.console.messages import say
    from manako.reports.contact_sheet import write_contact_sheet

    path = folder / f"{preset}.png"
    write_contact_sheet(path, dataset, augment=preset, size_hw=None, options={}, seed=0)
    say(f"{preset}: {path}")
