"""A data set looked at before anything is learned from it."""

from __future__ import annotations

import shlex
from pathlib import Path

from manako.config.settings import Asked, Settings
from manako.console.messages import warn
from manako.console.progress import track
from manako.data.check import ODDITIES, DataReport, check_dataset
from manako.data.dataset import Dataset
from manako.data.names import listed
from manako.data.opened import read_for_training
from manako.data.selection import Selection
from manako.errors import DataError
from manako.reports.check_text import NOT_ALL_COMPARED


def check(
    data: str | Path,
    *,
    workers: int = 0,
    threads: int = 1,
    seed: int | None = None,
    group_by: str | None = None,
    fold: str | None = None,
    exclude: str | Path | None = None,
) -> DataReport:
    """Look at every picture of the data set in `data`, divided as `train` would divide it.

    With `workers` processes, a picture that ends or hangs the process that decodes it is named
    like any other that cannot be used; a script that asks for them needs
    `if __name__ == "__main__":` around what it does. The last four are those of `train`. Errors:
    those of reading a data set.
    """
    dataset = read_for_training(data, Selection.parsed(seed, group_by, fold, exclude))
    return checked(dataset, workers=workers, threads=threads)


def division_flags(
    seed: int | None, group_by: str | None, fold: str | None, exclude: str | Path | None = None
) -> str:
    """The options that divide data so, as they stand in a command, each with a space before it.

    >>> division_flags(3, "(p1|p2)/", None)
    " --seed 3 --group-by '(p1|p2)/'"
    """
    values = {"seed": seed, "group-by": group_by, "fold": fold, "exclude": exclude}
    given = {name: str(value) for name, value in values.items() if value is not None}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items())


def checked(dataset: Dataset, *, workers: int, threads: int = 1) -> DataReport:
    """The report on `dataset`, with a bar while it is made. Errors: DataError for signals."""
    if dataset.holds == "signals":
        raise DataError(
            f"{dataset.files.root} holds signals or volumes, and manako check looks at pictures",
            fix="manako train reads all of them and compares the splits before it begins",
        )
    total = sum(len(items) for items in dataset.splits.values())
    with track("checking", total=total, unit="pictures") as bar:
        return check_dataset(dataset, workers=workers, threads=threads, on_progress=bar.advance)


def checked_for_training(dataset: Dataset, settings: Settings | Asked) -> DataReport:
    """Refuse data that nobody should train on, warn of what its owner should look at.

    Pictures are decoded for it once, until the files change. Errors: DataError where pictures
    cannot be used, or where one is in two splits unless `allow_leakage`.
    """
    report = checked(dataset, workers=settings.workers or 0, threads=settings.threads or 1)
    data = settings.data if isinstance(settings, Settings) else dataset.files.root
    flags = division_flags(settings.seed, settings.group_by, settings.fold, settings.exclude)
    command = f"manako check {shlex.quote(str(data))}{flags}"
    if report.faults:
        first = "\n".join(f"    {fault.error}" for fault in report.faults[:5])
        more = f"\n    and {len(report.faults) - 5:,} more" if len(report.faults) > 5 else ""
        raise DataError(
            f"{_pictures(len(report.faults))} of {data} cannot be used:\n{first}{more}",
            expected="whole pictures",
            fix=f"mend them, or leave them out: {command} {_TO_LIST}",
        )
    if report.leaks and not settings.allow_leakage:
        pairs = [" = ".join(place.path for place in same.places) for same in report.leaks]
        raise DataError(
            f"{_pictures(len(pairs))} of {data} in more than one split: {listed(pairs, 3)}",
            expected="each picture in one split, or scores are of what was learned",
            fix=f"leave the copies out: {command} {_TO_LIST}; or go on with --allow-leakage",
        )
    lines = _warnings(report)
    for line in [*lines, f"{command} tells more"] if lines else []:
        warn(line)
    return report


_TO_LIST = "--exclude-to FILE, then train with --exclude FILE"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _warnings(report: DataReport) -> list[str]:
    lines = []
    if report.leaks:
        lines.append(
            f"{_pictures(len(report.leaks))} in more than one split: scores will be too good"
        )
    if report.conflicts:
        paths = [" = ".join(place.path for place in same.places) for same in report.conflicts]
        lines.append(f"{_pictures(len(paths))} under different labels: {listed(paths, 2)}")
    if report.repeats:
        lines.append(f"{_pictures(len(report.repeats))} more than once in one split")
    if not report.all_compared:
        lines.append(NOT_ALL_COMPARED)
    across = [f"{a.path} ~ {b.path}" for a, b in report.alike if a.split != b.split]
    if across:
        count = "1 pair" if len(across) == 1 else f"{len(across):,} pairs"
        lines.append(f"{count} of pictures look alike across splits: {listed(across, 2)}")
    for kind in ("blank", "box_empty", "box_outside"):
        rows = report.oddities.get(kind, ())
        if rows:
            lines.append(
                f"{_pictures(len(rows))} {ODDITIES[kind]}: {listed([path for path, _ in rows], 3)}"
            )
    return lines
