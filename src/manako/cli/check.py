"""`manako check`: what is wrong with a data set."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Data, Json, Quiet


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
    seed: Annotated[
        int | None, typer.Option(min=0, help="Divides data that come undivided, as in train.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="A pattern; its group in a path names what stays together.")
    ] = None,
    fold: Annotated[
        str | None, typer.Option(help="Divide as for this part of the data, such as 2/5.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="A list of pictures to leave out, one path a line.")
    ] = None,
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
    from manako.runs.doctor import checked, division_flags
    from manako.runs.sheet import expect_augmentation, write_sheet
    from manako.storage.files import expect_file_place

    set_quiet(quiet)
    if (augment is None) != (out is None):
        raise UsageError("--augment and --out go together", fix="give a preset and a folder")
    for path in (html, exclude_to):
        if path is not None:
            expect_file_place(path)
    selection = Selection.parsed(seed, group_by, fold, exclude)
    dataset = read_for_training(data, selection)
    if augment is not None:
        expect_augmentation(augment, dataset.task)
    report = checked(dataset, workers=os.cpu_count() or 1 if workers is None else workers)
    if json:
        print_json(report.as_json(allow_leakage=allow_leakage))
    else:
        print_table(*class_rows(report))
        print_text(check_text(report, allow_leakage=allow_leakage))
    if html is not None:
        from manako.reports.check_page import write_check_page

        write_check_page(html, report, dataset, allow_leakage=allow_leakage)
        say(f"page: {html}")
    if exclude_to is not None:
        count = write_exclude_file(exclude_to, report, selection.excluded)
        say(f"{count:,} pictures to leave out: {exclude_to}")
    if augment is not None and out is not None:
        sheet = out / f"{augment}.png"
        write_sheet(sheet, dataset, report, augment, selection.seed)
        say(f"{augment}: {sheet}")
    if not report.is_fit(allow_leakage=allow_leakage):
        place = shlex.quote(str(data))
        flags = division_flags(seed, group_by, fold)
        listed = f"manako check {place}{division_flags(seed, group_by, fold, exclude)}"
        leave_out = shlex.quote(str(exclude_to or "FILE"))
        fix = f"manako train {place}{flags} --exclude {leave_out} leaves them out"
        raise DataError(
            verdict(report, allow_leakage=allow_leakage),
            fix=f"{listed} --exclude-to FILE, then {fix}" if exclude_to is None else fix,
        )
