"""What the verbs print: settings, scores, predictions; as tables or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from manako.config import Resolved, format_duration
from manako.console.messages import print_json, print_table, say
from manako.reports.text import scores_table
from manako.runs.result import Run
from manako.structures import ClassPrediction, Detections, LabelMap, Prediction, Scores


def show_settings(resolved: Resolved, json: bool) -> None:
    """Every setting with its value and where it came from."""
    values = resolved.settings.model_dump(mode="json")
    if json:
        print_json(
            {
                name: {"value": value, "origin": resolved.origins.get(name, "default")}
                for name, value in values.items()
            }
        )
        return
    rows = [
        (name, str(value), resolved.origins.get(name, "default")) for name, value in values.items()
    ]
    print_table(("setting", "value", "origin"), rows)


def show_run(run: Run, json: bool) -> None:
    """The scores of a finished run and where its files are."""
    if json:
        print_json(
            {
                "folder": str(run.folder),
                "seconds": run.seconds,
                "scores": {split: scores.as_json() for split, scores in run.metrics.items()},
            }
        )
        return
    show_scores(run.metrics, json=False)
    say(f"trained in {format_duration(run.seconds)}")
    say(f"recognizer: {run.folder / 'recognizer'}")
    say(f"report: {run.folder / 'report.html'}")


def show_scores(by_split: Mapping[str, Scores], json: bool) -> None:
    """The scores of each split, overall and for each class."""
    if json:
        print_json({split: scores.as_json() for split, scores in by_split.items()})
        return
    for split, scores in by_split.items():
        say(f"{split}: {scores.headline.replace('_', ' ')} {scores.main}")
        columns, rows = scores_table(scores, tuple(scores.per_class))
        print_table(columns, rows)


def show_predictions(
    found: Sequence[tuple[str, Prediction]],
    classes: tuple[str, ...],
    *,
    least_score: float,
    json: bool,
) -> None:
    """One line, or one entry, for each picture."""
    described = [
        {"picture": name, **_describe(prediction, classes, least_score)}
        for name, prediction in found
    ]
    if json:
        print_json(described)
        return
    print_table(("picture", "found"), [(row["picture"], _sentence(row)) for row in described])


def _describe(
    prediction: Prediction, classes: tuple[str, ...], least_score: float
) -> dict[str, Any]:
    if isinstance(prediction, ClassPrediction):
        return {
            "class": classes[prediction.label],
            "probability": prediction.score,
            "probabilities": dict(zip(classes, prediction.probabilities.tolist(), strict=True)),
        }
    if isinstance(prediction, Detections):
        kept = prediction.above(least_score)
        boxes = zip(
            kept.boxes_xyxy.tolist(), kept.scores.tolist(), kept.labels.tolist(), strict=True
        )
        return {
            "boxes": [
                {"class": classes[label], "score": score, "xyxy": box}
                for box, score, label in boxes
            ]
        }
    return {"pixels": _pixels(prediction, classes)}


def _pixels(prediction: LabelMap, classes: tuple[str, ...]) -> dict[str, int]:
    labels, counts = torch.unique(prediction.mask, return_counts=True)
    return {
        classes[label]: count for label, count in zip(labels.tolist(), counts.tolist(), strict=True)
    }


def _sentence(row: Mapping[str, Any]) -> str:
    if "class" in row:
        return f"{row['class']} ({row['probability']:.3f})"
    if "boxes" in row:
        found = [f"{box['class']} {box['score']:.2f}" for box in row["boxes"]]
        return ", ".join(found) if found else "nothing"
    total = sum(row["pixels"].values())
    largest = sorted(row["pixels"].items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in largest)
