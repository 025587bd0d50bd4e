"""Pictures as a report shows them: embedded, captioned, described for those who cannot see them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from manako.console.progress import track
from manako.reports.colours import as_hex, class_colour
from manako.reports.contents import Picture
from manako.reports.drawing import (
    classes_in,
    draw_boxes,
    enlarged,
    enlargement,
    overlay,
    to_pillow,
)
from manako.structures import (
    IGNORE,
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
)

LONG_SIDE = 480  # of an embedded picture
PANEL_SIDE = 400  # of each of the three panels of a segmentation
CARD_SIDE = 192  # up to which small classified pictures are enlarged, by a whole factor
LEAST_BOX_SCORE = 0.3  # boxes found with less are not drawn
MOST_BYTES = 4_000_000
"""Of all embedded pictures together; the rest is left out, and the report says how many."""


@dataclass(frozen=True)
class Panel:
    """One embedded picture: a data address, its size on the page, its text."""

    address: str
    width: int
    height: int
    alt: str
    caption: str = ""
    crisp: bool = False


@dataclass(frozen=True)
class Figure:
    """One picture of the data set: its panels and lines of (what, text)."""

    name: str
    panels: tuple[Panel, ...]
    lines: tuple[tuple[str, str], ...]
    wrong: bool


@dataclass(frozen=True)
class Swatch:
    """An entry of the legend of class colours; `colour` is None for hatched, unknown pixels."""

    name: str
    colour: str | None


def figures(
    pictures: Sequence[Picture], classes: Sequence[str], most_bytes: int = MOST_BYTES
) -> list[Figure]:
    """The first of `pictures`, as many as fit into `most_bytes`."""
    made: list[Figure] = []
    room = most_bytes
    with track("drawing the report", total=len(pictures), unit="pictures") as bar:
        for picture in pictures:
            figure = _figure(picture, classes)
            room -= sum(len(panel.address) for panel in figure.panels)
            if room < 0:
                break
            made.append(figure)
            bar.advance()
    return made


def legend(pictures: Sequence[Picture], classes: Sequence[str]) -> list[Swatch]:
    """The colours of the classes that boxes or masks of `pictures` show."""
    shown: set[int] = set()
    for picture in pictures:
        for one in (picture.truth, picture.prediction):
            if isinstance(one, (MaskTarget, LabelMap)):
                shown.update(classes_in([one.mask]))
            elif isinstance(one, Detections):
                shown.update(one.above(LEAST_BOX_SCORE).labels.tolist())
            elif isinstance(one, BoxTargets):
                shown.update(one.labels.tolist())
    return [
        Swatch("unknown, not scored", None)
        if index == IGNORE
        else Swatch(_name(index, classes), as_hex(class_colour(index)))
        for index in sorted(shown)
    ]


def _figure(picture: Picture, classes: Sequence[str]) -> Figure:
    # Not "truth or prediction": a truth without boxes is false.
    known = picture.prediction if picture.truth is None else picture.truth
    if isinstance(known, (BoxTargets, Detections)):
        return _boxes_figure(picture, classes)
    if isinstance(known, (MaskTarget, LabelMap)):
        return _maps_figure(picture, classes)
    if isinstance(known, (LabelsTarget, LabelsPrediction)):
        return _labels_figure(picture, classes)
    return _class_figure(picture, classes)


def _name(index: int, classes: Sequence[str]) -> str:
    return classes[index] if index < len(classes) else f"#{index}"


# ---------------------------------------------------------------- one figure for each task


def _class_figure(picture: Picture, classes: Sequence[str]) -> Figure:
    truth, said = picture.truth, picture.prediction
    given = said.probabilities.tolist() if isinstance(said, ClassPrediction) else []
    lines = []
    if isinstance(truth, ClassTarget):
        lines.append(("truth", _with_probability(truth.label, classes, given)))
    if isinstance(said, ClassPrediction):
        lines.append(("predicted", _with_probability(said.label, classes, given)))
    wrong = (
        isinstance(truth, ClassTarget)
        and isinstance(said, ClassPrediction)
        and truth.label != said.label
    )
    return Figure(picture.name, (_card(picture, lines),), tuple(lines), wrong)


def _labels_figure(picture: Picture, classes: Sequence[str]) -> Figure:
    """What is true, what was found, and the difference: what was missed and what is wrong."""
    truth, said = picture.truth, picture.prediction
    given = said.probabilities.tolist() if isinstance(said, LabelsPrediction) else []
    found = set(said.labels) if isinstance(said, LabelsPrediction) else set()
    true = set(truth.labels) if isinstance(truth, LabelsTarget) else set()
    compared = isinstance(truth, LabelsTarget) and isinstance(said, LabelsPrediction)
    rows = [
        ("truth", true, isinstance(truth, LabelsTarget)),
        ("found", found, isinstance(said, LabelsPrediction)),
        ("missed", true - found, compared and bool(true - found)),
        ("wrong", found - true, compared and bool(found - true)),
    ]
    lines = [(what, _labels_text(labels, classes, given)) for what, labels, tell in rows if tell]
    return Figure(picture.name, (_card(picture, lines),), tuple(lines), compared and true != found)


def _labels_text(labels: set[int], classes: Sequence[str], given: Sequence[float]) -> str:
    """The names of some classes with their probabilities.

    >>> _labels_text({1, 0}, ["cat", "dog"], [0.25, 0.75]), _labels_text(set(), ["cat"], [0.1])
    ('cat (0.25), dog (0.75)', 'nothing')
    """
    named = [_with_probability(label, classes, given) for label in sorted(labels)]
    return ", ".join(named) if named else "nothing"


def _card(picture: Picture, lines: Sequence[tuple[str, str]]) -> Panel:
    """The picture alone, enlarged by a whole factor where it is small."""
    shown = at_most(to_pillow(picture.image), LONG_SIDE)
    factor = max(1, CARD_SIDE // max(shown.size))
    return Panel(
        address=data_address(shown),
        width=shown.width * factor,
        height=shown.height * factor,
        alt=_alt(picture, lines),
        crisp=factor > 1,
    )


def _with_probability(index: int, classes: Sequence[str], given: Sequence[float]) -> str:
    """The name of a class and, where one was given, its probability.

    >>> _with_probability(1, ["cat", "dog"], [0.25, 0.75]), _with_probability(1, ["cat", "dog"], [])
    ('dog (0.75)', 'dog')
    """
    name = _name(index, classes)
    return f"{name} ({given[index]:.2f})" if index < len(given) else name


def _boxes_figure(picture: Picture, classes: Sequence[str]) -> Figure:
    whole = to_pillow(picture.image)
    shown = enlarged(at_most(whole, LONG_SIDE), enlargement(whole.size, LONG_SIDE // 2))
    truth = picture.truth if isinstance(picture.truth, BoxTargets) else None
    said = picture.prediction if isinstance(picture.prediction, Detections) else None
    found = None if said is None else said.above(LEAST_BOX_SCORE)
    lines = []
    if truth is not None:
        lines.append(("truth", _counts(truth.labels.tolist(), classes)))
    if found is not None:
        lines.append(("found", _counts(found.labels.tolist(), classes)))
    lines.append(("error", f"{picture.error:.2f}"))
    drawn = draw_boxes(shown, found, classes, truth, scale=shown.width / whole.width)
    panel = Panel(data_address(drawn), drawn.width, drawn.height, _alt(picture, lines))
    return Figure(picture.name, (panel,), tuple(lines), picture.error > 0)


def _maps_figure(picture: Picture, classes: Sequence[str]) -> Figure:
    whole = to_pillow(picture.image)
    shown = enlarged(at_most(whole, PANEL_SIDE), enlargement(whole.size, PANEL_SIDE // 2))
    views = [("picture", shown)]
    if isinstance(picture.truth, MaskTarget):
        views.append(("truth", overlay(shown, picture.truth.mask)))
    if isinstance(picture.prediction, LabelMap):
        views.append(("prediction", overlay(shown, picture.prediction.mask)))
    panels = tuple(
        Panel(data_address(view), view.width, view.height, f"{picture.name}: {title}", title)
        for title, view in views
    )
    lines = (("error", f"{picture.error:.2f}"),)
    return Figure(picture.name, panels, lines, picture.error > 0)


def _counts(labels: Sequence[int], classes: Sequence[str]) -> str:
    """How many of each class.

    >>> _counts([1, 0, 1], ["cell", "platelet"])
    '1 × cell, 2 × platelet'
    """
    if not labels:
        return "nothing"
    return ", ".join(f"{labels.count(one)} × {_name(one, classes)}" for one in sorted(set(labels)))


def _alt(picture: Picture, lines: Sequence[tuple[str, str]]) -> str:
    return ": ".join(
        part for part in (picture.name, "; ".join(" ".join(line) for line in lines)) if part
    )


# ---------------------------------------------------------------- embedding


def at_most(picture: Image.Image, long_side: int) -> Image.Image:
    """`picture`, made smaller where its longer side is longer than `long_side`."""
    share = long_side / max(picture.size)
    if share >= 1:
        return picture
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    return picture.resize(size, Image.Resampling.LANCZOS)


def data_address(picture: Image.Image) -> str:
    """A data address: PNG for small pictures, whose pixels matter, else JPEG."""
    data = io.BytesIO()
    if max(picture.size) <= 128:
        picture.save(data, "PNG", optimize=True)
        kind = "png"
    else:
        picture.save(data, "JPEG", quality=85, subsampling=0)
        kind = "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(data.getvalue()).decode("ascii")
