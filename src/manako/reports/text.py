"""Scores as tables of plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from manako.reports.numbers import interval_text, number_text, score_name
from manako.structures import Scores

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Column titles and rows."""


def splits_table(by_split: Mapping[str, Scores]) -> Table:
    """A row for each score of all pictures, the headline first; for each split two columns.

    Intervals are empty where none was computed; a value that cannot be computed is a dash.

    >>> from manako.structures import Score
    >>> of_val = Scores("accuracy", {"accuracy": Score(0.9, 0.8, 1.0)})
    >>> of_test = Scores("accuracy", {"accuracy": Score(0.7), "ece": Score(0.1)})
    >>> columns, rows = splits_table({"val": of_val, "test": of_test})
    >>> for row in [columns, *rows]:
    ...     print(row)
    ('score', 'val', '95 % interval', 'test', '95 % interval')
    ('accuracy', '0.900', '0.800 to 1.000', '0.700', '')
    ('ECE', '', '', '0.100', '')
    """
    columns = ["score"]
    for split in by_split:
        columns += [split, "95 % interval"]
    rows = []
    for name in _names(by_split.values()):
        row = [score_name(name)]
        for scores in by_split.values():
            score = scores.overall.get(name)
            row += ["", ""] if score is None else [number_text(score.value), interval_text(score)]
        rows.append(tuple(row))
    return tuple(columns), rows


def class_table(scores: Scores, classes: Sequence[str]) -> Table:
    """A row of scores for each class that has any, in the given order.

    >>> from manako.structures import Score
    >>> per_class = {"cat": {"recall": Score(1), "f1": Score(float("nan"))}}
    >>> class_table(Scores("accuracy", {"accuracy": Score(0.9)}, per_class), ["cat", "dog"])
    (('class', 'recall', 'F1'), [('cat', '1.000', '–')])
    """
    of_class = {label: scores.per_class[label] for label in classes if label in scores.per_class}
    names = list(dict.fromkeys(name for own in of_class.values() for name in own))
    rows = [
        (label, *(number_text(own[name].value) if name in own else "" for name in names))
        for label, own in of_class.items()
    ]
    return ("class", *map(score_name, names)), rows


def _names(many: Iterable[Scores]) -> list[str]:
    """The names of the overall scores, the headlines first."""
    many = list(many)
    heads = [scores.headline for scores in many]
    return list(dict.fromkeys([*heads, *(name for scores in many for name in scores.overall)]))
