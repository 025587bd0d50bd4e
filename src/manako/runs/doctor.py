"""A data set looked at before anything is learned from it."""

from __future__ import annotations

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


def check(data: str | Path, *, workers: int = 0, threads: int = 1) -> DataReport:
    """Look at every picture of the data set in `data`, divided as `train` would divide it.

    With `workers` processes, a picture that ends or hangs the process that decodes it is named
    like any other that cannot be used; a script that asks for them needs
    `if __name__ == "__main__":` around what it does. Errors: those of reading a data set.
    """
    return checked(read_for_training(data, Selection()), workers=workers, threads=threads)


def checked(dataset: Dataset, *, workers: int, threads: int = 1) -> DataReport:
    """The report on `dataset`, with a bar while it is made."""
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
    if report.faults:
        first = "\n".join(f"    {fault.error}" for fault in report.faults[:5])
        more = f"\n    and {len(report.faults) - 5:,} more" if len(report.faults) > 5 else ""
        raise DataError(
            f"{_pictures(len(report.faults))} of {data} cannot be used:\n{first}{more}",
            expected="whole pictures",
            fix=f"mend them, or leave them out: {_list_of(data)}",
        )
    if report.leaks and not settings.allow_leakage:
        pairs = [" = ".join(place.path for place in same.places) for same in report.leaks]
        raise DataError(
            f"{_pictures(len(pairs))} of {data} in more than one split: {listed(pairs, 3)}",
            expected="each picture in one split, or scores are of what was learned",
            fix=f"leave the copies out: {_list_of(data)}; or go on with --allow-leakage",
        )
    lines = _warnings(report)
    for line in [*lines, f"manako check {data} tells more"] if lines else []:
        warn(line)
    return report


def _list_of(data: str | Path) -> str:
    return f"manako check {data} --exclude-to FILE, then train with --exclude FILE"


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
    for kind in ("blank", "box_empty", "box_outside"):
        rows = report.oddities.get(kind, ())
        if rows:
            lines.append(
                f"{_pictures(len(rows))} {ODDITIES[kind]}: {listed([path for path, _ in rows], 3)}"
            )
    return lines
