"""The report: one HTML file that needs nothing else and asks nobody for anything.

Everything a data set brings (file names, class names, notes) is untrusted text: Jinja2 escapes all
of it, and a content security policy inside the page forbids scripts and every request, so that
even a mistake here could not load or run anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from manako.reports import curves, reliability
from manako.reports.contents import ReportContents
from manako.reports.figures import LEAST_BOX_SCORE, figures, legend
from manako.reports.numbers import interval_text, number_text, score_name
from manako.reports.tables import class_table, confusion, data_summary, overall_rows
from manako.reports.visible import JOINERS, visible
from manako.storage.files import write_text_atomic
from manako.structures.predictions import LABEL_FROM

COUNTED = {
    "classification": "pictures",
    "multilabel": "pictures that show the class",
    "detection": "boxes",
    "segmentation": "pictures that show the class",
}

ADDITIVE_TASKS = frozenset({"classification", "detection"})
"""Where the counts of the classes add up: elsewhere one picture counts for several classes."""

HEADINGS = {
    "classification": "The most confident mistakes",
    "multilabel": "Missed and wrong labels, the worst first",
    "detection": "Pictures, the worst first",
    "segmentation": "Pictures, the worst first",
}


def write_report(path: Path, contents: ReportContents) -> None:
    """Write `contents` as one HTML file; it is there whole or not at all."""
    write_text_atomic(path, render(contents))


def render(contents: ReportContents) -> str:
    """The page as text; the same contents give the same text."""
    return (
        environment()
        .get_template("report.jinja")
        .render(
            contents=contents,
            style=Markup(style()),
            policy=policy(),
            headline=_headline(contents),
            data=_data(contents),
            charts=curves.charts(contents.curves),
            plot={
                "width": curves.WIDTH,
                "height": curves.HEIGHT,
                "left": curves.LEFT,
                "right": curves.WIDTH - curves.RIGHT,
                "top": curves.TOP,
                "bottom": curves.HEIGHT - curves.BOTTOM,
            },
            overall=overall_rows(contents.scores),
            splits=_splits(contents),
            config=_config(contents),
            **_pictures(contents),
        )
    )


@functools.cache
def environment() -> jinja2.Environment:
    """Where the templates are, and how text becomes safe."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("manako.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    """Text, which may have lines, made `visible`; others, such as safe markup, as they are."""
    return visible(value, kept=JOINERS + "\n") if type(value) is str else value


@functools.cache
def style() -> str:
    """The one style sheet of all pages."""
    made = environment()
    if made.loader is None:
        raise RuntimeError("the environment of the report has no loader")
    return made.loader.get_source(made, "report.css")[0]


def policy() -> str:
    """Pictures from the page itself, this one style sheet by its hash, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; form-action 'none'"


def _headline(contents: ReportContents) -> dict[str, Any] | None:
    split = contents.main_split
    if split is None:
        return None
    scores = contents.scores[split]
    return {
        "name": score_name(scores.headline),
        "value": number_text(scores.main.value),
        "interval": interval_text(scores.main),
        "split": split,
        "pictures": f"{scores.pictures:,}" if scores.pictures else "",
    }


def _data(contents: ReportContents) -> dict[str, Any] | None:
    if not contents.data and not contents.notes:
        return None
    additive = contents.task in ADDITIVE_TASKS
    return {
        "counted": COUNTED[contents.task],
        "summary": data_summary(contents.data, contents.classes, additive),
    }


def _splits(contents: ReportContents) -> list[dict[str, Any]]:
    """What there is to say of the classes of each split, the main split first."""
    shares = contents.task == "segmentation"
    ordered = sorted(contents.scores, key=lambda split: split != contents.main_split)
    return [
        {
            "name": split,
            "classes": class_table(contents.scores[split])
            if contents.scores[split].per_class
            else None,
            "confusion": confusion(contents.scores[split], contents.classes, shares),
            "reliability": reliability.reliability_diagram(contents.scores[split], contents.task),
            "frame": _reliability_frame(number),
        }
        for number, split in enumerate(ordered, start=1)
    ]


def _reliability_frame(number: int) -> dict[str, int]:
    """Where the axes of the reliability diagram of the split of this number are."""
    bottom = reliability.TOP + reliability.SIDE
    return {
        "number": number,
        "width": reliability.WIDTH,
        "height": reliability.HEIGHT,
        "left": reliability.LEFT,
        "right": reliability.LEFT + reliability.SIDE,
        "top": reliability.TOP,
        "bottom": bottom,
        "strip": bottom + reliability.GAP,
        "floor": bottom + reliability.GAP + reliability.STRIP,
    }


def _config(contents: ReportContents) -> dict[str, list[tuple[str, str, str]]]:
    """Option, value and origin, apart for what somebody or the data decided and for the rest."""
    rows = [(option, value, origin) for option, (value, origin) in contents.config.items()]
    return {
        "decided": [row for row in rows if row[2] != "default"],
        "defaults": [row for row in rows if row[2] == "default"],
    }


def _pictures(contents: ReportContents) -> dict[str, Any]:
    shown = figures(contents.pictures, contents.classes)
    return {
        "heading": HEADINGS[contents.task],
        "figures": shown,
        "left_out": len(contents.pictures) - len(shown),
        "legend": legend(contents.pictures[: len(shown)], contents.classes),
        "least_box_score": number_text(LEAST_BOX_SCORE, 2),
        "label_probability": number_text(LABEL_FROM, 2),
    }
