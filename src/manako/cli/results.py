"""What the verbs print: settings, scores, answers; as tables or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manako.config import Resolved, format_duration
from manako.console.messages import print_json, print_table, say
from manako.reports.answers import Answer, in_words
from manako.reports.text import class_table, splits_table
from manako.runs.result import Run
from manako.structures import Scores

MOST_CLASSES = 20
"""With more, the end of a run does not list the scores of each class."""


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
    rows = []
    for name, value in values.items():
        origin = resolved.origins.get(name, "default")
        if isinstance(value, dict) and value:  # a row for each: one for all would be too wide
            rows += [(f"{name}.{key}", str(one), origin) for key, one in value.items()]
        else:
            rows.append((name, str(value), origin))
    print_table(("setting", "value", "origin"), rows)


def show_run(run: Run, json: bool) -> None:
    """The scores of a finished run and where its files are.

    For people the scores of all pictures, and those of each class where there are few, on the split
    that counts most; JSON has everything.
    """
    if json:
        print_json(
            {
                "folder": str(run.folder),
                "seconds": run.seconds,
                "thresholds": dict(run.recognizer.spec.thresholds),
                "scores": {split: scores.as_json() for split, scores in run.metrics.items()},
            }
        )
        return
    print_table(*splits_table(run.metrics))
    shown = "test" if "test" in run.metrics else "val"
    of_class = run.metrics[shown].per_class
    if 0 < len(of_class) <= MOST_CLASSES:
        _print_classes(shown, run.metrics[shown])
    say(f"\ntrained in {format_duration(run.seconds)}")
    say(f"recognizer: {run.folder / 'recognizer'}")
    say(f"report: {run.folder / 'report.html'}")


def show_scores(by_split: Mapping[str, Scores], json: bool) -> None:
    """The scores of each split, overall and for each class."""
    if json:
        print_json({split: scores.as_json() for split, scores in by_split.items()})
        return
    print_table(*splits_table(by_split))
    for split, scores in by_split.items():
        if scores.per_class:
            _print_classes(split, scores)


def _print_classes(split: str, scores: Scores) -> None:
    """The scores of each class; the split is in the table, so that a file of it says what it is."""
    (_, *names), rows = class_table(scores, tuple(scores.per_class))
    say("")
    print_table((f"class on {split}", *names), rows)


def show_answers(answers: Sequence[Answer], json: bool) -> None:
    """One line, or one entry, for each picture."""
    if json:
        print_json(answers)
        return
    print_table(("picture", "found"), [(one["picture"], in_words(one)) for one in answers])
