"""Predictions as a table that spreadsheets and programs read (RFC 4180, UTF-8).

Classification, a line for each picture:
    path, truth, predicted, probability
Multi-label, a line for each picture; labels are joined by `|`, as data sets are written:
    path, truth, predicted, probability of CLASS for each class
Detection, a line for each box found (a picture in which nothing was found has none), in pixels:
    path, class, score, xmin, ymin, xmax, ymax
Segmentation, a line for each picture:
    path, pixel_accuracy (of the pixels whose truth is known), pixels of CLASS for each class

File and class names come from others, and a spreadsheet would run a cell that begins with = + - or
@ as a formula. In columns of text such a value gets an apostrophe in front, which spreadsheets
take as "this is text"; a value that begins with an apostrophe gets another one, so that
`unguarded` gives back every value exactly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from manako.errors import UnknownName, UsageError
from manako.reports.contents import TASKS
from manako.storage.files import write_bytes_atomic
from manako.structures import (
    IGNORE,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
    Prediction,
    Target,
)

Row = tuple[str, Target | None, Prediction]
"""Path of a picture, its truth if known, and what was predicted."""

_GUARDED_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def write_predictions(path: Path, rows: Iterable[Row], task: str, classes: Sequence[str]) -> None:
    """Write one file in the form of `task`; it is there whole or not at all.

    Raises UsageError where a prediction belongs to another task. Bytes of a file name that are not
    UTF-8 are written as `\\\\udcXX`.
    """
    lines_of = {
        "classification": _class_lines,
        "multilabel": _label_lines,
        "detection": _box_lines,
        "segmentation": _map_lines,
    }
    if task not in lines_of:
        raise UnknownName("task", task, TASKS)
    write_table(path, lines_of[task](rows, classes))


def write_table(path: Path, lines: Iterable[Sequence[str]]) -> None:
    """Write `lines` as CSV in UTF-8, whole or not at all; the cells must be guarded already."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(lines)
    write_bytes_atomic(path, text.getvalue().encode("utf-8", errors="backslashreplace"))


def guarded(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula.

    >>> guarded("=1+1"), guarded("cat")
    ("'=1+1", 'cat')
    """
    return "'" + text if text.startswith(_GUARDED_STARTS) else text


def unguarded(text: str) -> str:
    """What `guarded` was given.

    >>> unguarded("'=1+1"), unguarded("cat")
    ('=1+1', 'cat')
    """
    return text[1:] if text.startswith("'") else text


def joined_labels(names: Iterable[str]) -> str:
    """Several labels in one cell.

    >>> joined_labels(["cat", "dog"]), joined_labels([])
    ('cat|dog', '')
    """
    return guarded("|".join(names))


def _refuse(name: str, prediction: Prediction, task: str) -> UsageError:
    return UsageError(f"{name}: a {type(prediction).__name__} is no prediction of {task}")


def _class_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[Sequence[str]]:
    yield "path", "truth", "predicted", "probability"
    for name, truth, prediction in rows:
        if not isinstance(prediction, ClassPrediction):
            raise _refuse(name, prediction, "classification")
        known = guarded(classes[truth.label]) if isinstance(truth, ClassTarget) else ""
        predicted = guarded(classes[prediction.label])
        yield guarded(name), known, predicted, f"{prediction.score:.6f}"


def _label_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[Sequence[str]]:
    yield "path", "truth", "predicted", *(f"probability of {name}" for name in classes)
    for name, truth, prediction in rows:
        if not isinstance(prediction, LabelsPrediction):
            raise _refuse(name, prediction, "multilabel")
        true = truth.labels if isinstance(truth, LabelsTarget) else ()
        cells = [
            joined_labels(classes[label] for label in one) for one in (true, prediction.labels)
        ]
        given = (f"{value:.6f}" for value in prediction.probabilities.tolist())
        yield guarded(name), *cells, *given


def _box_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[Sequence[str]]:
    yield "path", "class", "score", "xmin", "ymin", "xmax", "ymax"
    for name, _, prediction in rows:
        if not isinstance(prediction, Detections):
            raise _refuse(name, prediction, "detection")
        found = zip(
            prediction.boxes_xyxy.tolist(),
            prediction.scores.tolist(),
            prediction.labels.tolist(),
            strict=True,
        )
        for box, score, label in found:
            corners = (f"{value:.2f}" for value in box)
            yield guarded(name), guarded(classes[label]), f"{score:.6f}", *corners


def _map_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[Sequence[str]]:
    yield "path", "pixel_accuracy", *(f"pixels of {name}" for name in classes)
    for name, truth, prediction in rows:
        if not isinstance(prediction, LabelMap):
            raise _refuse(name, prediction, "segmentation")
        counts = prediction.mask.flatten().bincount(minlength=len(classes)).tolist()
        yield guarded(name), _pixel_accuracy(prediction, truth), *map(str, counts[: len(classes)])


def _pixel_accuracy(prediction: LabelMap, truth: Target | None) -> str:
    """The share of pixels of known class that are right; nothing where there are none."""
    if not isinstance(truth, MaskTarget):
        return ""
    known = truth.mask != IGNORE
    if not bool(known.any()):
        return ""
    return f"{float((prediction.mask == truth.mask)[known].double().mean()):.6f}"
