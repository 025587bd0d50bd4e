"""The list of pictures that a data set is better without, as `train --exclude` reads it.

Whatever cannot be used is left out. Of a picture that is in several splits, the copies in the
training split go (and those in the validation split, where the test split has one); a picture of
the test split is never left out. Of copies within one split a single one stays, or none where they
contradict each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from manako.data.check.report import DataReport, Same
from manako.data.exclusion import listed_path
from manako.storage.files import write_text_atomic

KEPT_SPLIT = "test"


def left_out(report: DataReport) -> dict[str, str]:
    """Path -> why, of the pictures to leave out; each once, the worst reasons first."""
    reasons: dict[str, str] = {}
    for fault in report.faults:
        reasons.setdefault(fault.path, f"cannot be used: {fault.error}")
    for same in (*report.leaks, *report.conflicts, *report.repeats):
        for path, reason in _of_copies(same):
            reasons.setdefault(path, reason)
    return reasons


def write_exclude_file(path: Path, report: DataReport, before: Collection[str] = ()) -> int:
    """Write the list to `path`; how many pictures are in it.

    Paths that were left out `before` the report was made stay left out. Errors: ResourceError.
    """
    reasons = left_out(report)
    reasons |= {name: "left out before" for name in sorted(before) if name not in reasons}
    lines = [f"# Pictures of {report.root} to leave out: manako train … --exclude {path.name}"]
    for name, reason in reasons.items():
        lines += [f"# {_one_line(reason)}", listed_path(name)]
    write_text_atomic(path, "\n".join(lines) + "\n")
    return len(reasons)


def _of_copies(same: Same) -> Iterator[tuple[str, str]]:
    """The places come with the split to keep first."""
    kept = same.places[0]
    for number, place in enumerate(same.places):
        if place.split == KEPT_SPLIT:
            continue
        if place.split != kept.split:
            yield place.path, f"in {place.split}, and in {kept.split} as {kept.path}"
        elif same.is_contradiction:
            yield place.path, f"{place.truth} here, but not in every copy of it"
        elif number:
            yield place.path, f"the same as {kept.path}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
