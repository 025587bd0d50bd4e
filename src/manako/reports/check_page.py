"""What the doctor found, as one HTML file with the pictures it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from manako.data.check import DataReport, Place
from manako.data.dataset import Dataset
from manako.data.decode import decode_image
from manako.errors import ManakoError
from manako.reports.check_text import pictures, sections, verdict
from manako.reports.drawing import enlarged, enlargement, to_pillow
from manako.reports.figures import Panel, at_most, data_address
from manako.reports.page import ADDITIVE_TASKS, COUNTED, environment, policy, style
from manako.reports.tables import data_summary
from manako.storage.files import write_text_atomic

THUMBNAIL_SIDE = 192
MOST_FIGURES = 24
"""Of each kind of finding, with pictures."""
MOST_LISTED = 500
MOST_COPIES = 3  # of one picture


def write_check_page(
    path: Path, report: DataReport, dataset: Dataset, *, allow_leakage: bool = False
) -> None:
    """Write the page; it is there whole or not at all. `dataset` is what `report` is about.

    Errors: ResourceError where the disk refuses.
    """
    write_text_atomic(path, render_check(report, dataset, allow_leakage=allow_leakage))


def render_check(report: DataReport, dataset: Dataset, *, allow_leakage: bool = False) -> str:
    """The page as text."""
    return (
        environment()
        .get_template("check.jinja")
        .render(
            title=Path(report.root).name or report.root,
            report=report,
            fit=report.is_fit(allow_leakage=allow_leakage),
            verdict=verdict(report, allow_leakage=allow_leakage),
            sections=sections(report, allow_leakage=allow_leakage),
            galleries=_galleries(report, dataset),
            summary=data_summary(
                report.class_counts, dataset.classes, report.task in ADDITIVE_TASKS
            ),
            counted=COUNTED[report.task],
            pictures=pictures,
            most_listed=MOST_LISTED,
            style=Markup(style()),
            policy=policy(),
        )
    )


def _galleries(report: DataReport, dataset: Dataset) -> dict[str, list[list[Panel]]]:
    """Kind of finding -> figures, each a picture or several that are the same."""
    wanted: dict[str, Iterable[Sequence[tuple[str, str]]]] = {
        "leaks": ([_captioned(place) for place in same.places] for same in report.leaks),
        "conflicts": ([_captioned(place) for place in same.places] for same in report.conflicts),
        "repeats": ([_captioned(place) for place in same.places] for same in report.repeats),
        "alike": ([_captioned(place) for place in pair] for pair in _across_first(report)),
        "faults": (),
        "unused": (),
    }
    for kind, rows in report.oddities.items():
        wanted[kind] = ([(path, f"{path}: {what}" if what else path)] for path, what in rows)
    return {
        kind: [
            [_panel(dataset, path, caption) for path, caption in figure[:MOST_COPIES]]
            for figure in list(figures)[:MOST_FIGURES]
        ]
        for kind, figures in wanted.items()
    }


def _across_first(report: DataReport) -> list[tuple[Place, Place]]:
    return sorted(report.alike, key=lambda pair: pair[0].split == pair[1].split)


def _captioned(place: Place) -> tuple[str, str]:
    label = f" ({place.truth})" if place.truth else ""
    return place.path, f"{place.split}: {place.path}{label}"


def _panel(dataset: Dataset, path: str, caption: str) -> Panel:
    """A thumbnail; without a picture where it has meanwhile become unreadable."""
    try:
        plain = to_pillow(decode_image(dataset.files.read(path), path))
    except ManakoError:
        return Panel("", 0, 0, path, caption)
    factor = enlargement(plain.size, THUMBNAIL_SIDE // 2)
    shown = at_most(enlarged(plain, factor), THUMBNAIL_SIDE)
    return Panel(data_address(shown), shown.width, shown.height, path, caption, crisp=factor > 1)
