"""What a recognizer says of a picture, told once as plain data: for JSON, for words, for CSV.

An answer is a dictionary with "picture" and, by task:
    classification  "class", "probability", "probabilities" {class: number}; "top", a list of
                    {"class", "probability"}, where more than one was asked for; "unknown", true or
                    false, where that was asked for ("class" is then the best guess)
    multilabel      "labels", a list, and "probabilities" {class: number}
    detection       "boxes", a list of {"class", "score", "xyxy"} in pixels
    segmentation    "pixels" {class: count}, of the classes that were found
Of a picture that could not be read it has "error" and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from manako.reports.predictions_csv import guarded, joined_labels, write_table
from manako.structures import (
    ClassPrediction,
    Detections,
    LabelMap,
    LabelsPrediction,
    Prediction,
)

Answer = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """How much is told: so many classes, boxes of that score, whether a picture is unknown."""

    top: int = 1
    least_score: float = 0.3
    unknown: bool = False


def describe(
    name: str,
    prediction: Prediction,
    classes: Sequence[str],
    wanted: Wanted,
    is_unknown: bool = False,
) -> Answer:
    """The answer for one picture.

    >>> prediction = ClassPrediction(torch.tensor([0.25, 0.75]))
    >>> answer = describe("a.png", prediction, ["cat", "dog"], Wanted())
    >>> answer["class"], answer["probability"]
    ('dog', 0.75)
    """
    answer: Answer = {"picture": name}
    match prediction:
        case ClassPrediction():
            answer["class"], answer["probability"] = classes[prediction.label], prediction.score
            answer["probabilities"] = _by_class(classes, prediction.probabilities)
            if wanted.top > 1:
                answer["top"] = _surest(classes, prediction.probabilities, wanted.top)
            if wanted.unknown:
                answer["unknown"] = is_unknown
        case LabelsPrediction():
            answer["labels"] = [classes[label] for label in prediction.labels]
            answer["probabilities"] = _by_class(classes, prediction.probabilities)
        case Detections():
            kept = prediction.above(wanted.least_score)
            found = zip(
                kept.labels.tolist(), kept.scores.tolist(), kept.boxes_xyxy.tolist(), strict=True
            )
            answer["boxes"] = [
                {"class": classes[label], "score": score, "xyxy": box}
                for label, score, box in found
            ]
        case LabelMap():
            labels, counts = torch.unique(prediction.mask, return_counts=True)
            answer["pixels"] = {
                classes[label]: count
                for label, count in zip(labels.tolist(), counts.tolist(), strict=True)
            }
    return answer


def _by_class(classes: Sequence[str], probabilities: torch.Tensor) -> dict[str, float]:
    return dict(zip(classes, probabilities.tolist(), strict=True))


def _surest(
    classes: Sequence[str], probabilities: torch.Tensor, count: int
) -> list[dict[str, Any]]:
    """The most probable classes, the first one first; of equals, the lower class."""
    values = probabilities.tolist()
    order = sorted(range(len(classes)), key=lambda label: (-values[label], label))[:count]
    return [{"class": classes[label], "probability": values[label]} for label in order]


def in_words(answer: Answer) -> str:
    """One line for people.

    >>> in_words({"picture": "a.png", "class": "cat", "probability": 0.41, "unknown": True})
    'unknown (best guess cat 0.41)'
    """
    if "error" in answer:
        return "could not be read"
    if "class" in answer:
        return _class_in_words(answer)
    if "labels" in answer:
        given = answer["probabilities"]
        if answer["labels"]:
            return ", ".join(f"{label} {given[label]:.2f}" for label in answer["labels"])
        likely = max(given, key=lambda label: given[label])
        return f"nothing (most likely {likely} {given[likely]:.2f})"
    if "boxes" in answer:
        found = [f"{box['class']} {box['score']:.2f}" for box in answer["boxes"]]
        return ", ".join(found) if found else "nothing"
    total = sum(answer["pixels"].values())
    largest = sorted(answer["pixels"].items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in largest)


def _class_in_words(answer: Answer) -> str:
    guesses = answer.get("top", [answer])
    if answer.get("unknown"):
        said = ", ".join(f"{one['class']} {one['probability']:.2f}" for one in guesses)
        return f"unknown (best {'guess' if len(guesses) == 1 else 'guesses'} {said})"
    return ", ".join(f"{one['class']} ({one['probability']:.3f})" for one in guesses)


# ---------------------------------------------------------------- CSV


def write_answers(
    path: Path, answers: Iterable[Answer], task: str, classes: Sequence[str], wanted: Wanted
) -> None:
    """Write one CSV file, whole or not at all, in the form of `predictions_csv` but without truth.

    The last column is "error": the reason where a picture could not be read, else empty. Further
    classes stand in "predicted 2", "probability 2" and so on, "unknown" is true or false.
    """
    top = min(wanted.top, len(classes))
    columns, lines = {
        "classification": (_class_columns(top, wanted.unknown), _class_lines),
        "multilabel": (
            ["predicted", *(f"probability of {name}" for name in classes)],
            _label_lines,
        ),
        "detection": (["class", "score", "xmin", "ymin", "xmax", "ymax"], _box_lines),
        "segmentation": ([f"pixels of {name}" for name in classes], _pixel_lines),
    }[task]
    rows: list[Sequence[str]] = [["path", *columns, "error"]]
    for answer in answers:
        name = guarded(answer["picture"])
        if "error" in answer:
            rows.append([name, *[""] * len(columns), guarded(answer["error"])])
        else:
            rows.extend([name, *cells, ""] for cells in lines(answer, classes))
    write_table(path, rows)


def _class_columns(top: int, unknown: bool) -> list[str]:
    further = [
        f"{what} {rank}" for rank in range(2, top + 1) for what in ("predicted", "probability")
    ]
    return ["predicted", "probability", *further, *(["unknown"] if unknown else [])]


def _class_lines(answer: Answer, classes: Sequence[str]) -> Iterator[list[str]]:
    cells = []
    for one in answer.get("top", [answer]):
        cells += [guarded(one["class"]), f"{one['probability']:.6f}"]
    if "unknown" in answer:
        cells.append("true" if answer["unknown"] else "false")
    yield cells


def _label_lines(answer: Answer, classes: Sequence[str]) -> Iterator[list[str]]:
    given = [f"{answer['probabilities'][name]:.6f}" for name in classes]
    yield [joined_labels(answer["labels"]), *given]


def _box_lines(answer: Answer, classes: Sequence[str]) -> Iterator[list[str]]:
    for box in answer["boxes"]:
        corners = [f"{value:.2f}" for value in box["xyxy"]]
        yield [guarded(box["class"]), f"{box['score']:.6f}", *corners]


def _pixel_lines(answer: Answer, classes: Sequence[str]) -> Iterator[list[str]]:
    yield [str(answer["pixels"].get(name, 0)) for name in classes]
