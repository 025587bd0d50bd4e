"""Scores as a table of plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manako.reports.numbers import number_text, score_name
from manako.structures import Scores


def scores_table(
    scores: Scores, classes: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Column titles and rows: first all pictures together, then each class in the given order.

    Where 95 % intervals were computed, their ends follow in two rows of their own, so that every
    cell is one number. A score that a row does not have is an empty cell; one that cannot be
    computed, such as the recall of a class without pictures, is a dash.

    >>> from manako.structures import Score
    >>> overall = {"accuracy": Score(0.9, 0.8, 1.0)}
    >>> scores = Scores("accuracy", overall, {"cat": {"recall": Score(1)}})
    >>> columns, rows = scores_table(scores, ["cat"])
    >>> for row in [columns, *rows]:
    ...     print(row)
    ('class', 'accuracy', 'recall')
    ('all', '0.900', '')
    ('95 % from', '0.800', '')
    ('95 % to', '1.000', '')
    ('cat', '', '1.000')
    """
    of_class = [scores.per_class[label] for label in classes if label in scores.per_class]
    names = [scores.headline, *scores.overall, *(name for own in of_class for name in own)]
    names = list(dict.fromkeys(names))

    def row(title: str, values: Mapping[str, float | None]) -> tuple[str, ...]:
        return (title, *(number_text(values[name]) if name in values else "" for name in names))

    overall = scores.overall.items()
    rows = [row("all", {name: score.value for name, score in overall})]
    bounded = {name: score for name, score in overall if score.low is not None}
    if bounded:
        rows.append(row("95 % from", {name: score.low for name, score in bounded.items()}))
        rows.append(row("95 % to", {name: score.high for name, score in bounded.items()}))
    for label in classes:
        if label in scores.per_class:
            own = scores.per_class[label]
            rows.append(row(label, {name: score.value for name, score in own.items()}))
    return ("class", *map(score_name, names)), rows
