"""Tables of a report: counts of the data, scores with bars, confusion as a heat table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manako.reports.numbers import interval_text, number_text, score_name
from manako.structures import Score, Scores

MANY_CLASSES = 40
"""Above this a table of classes is folded away behind a summary; so is the confusion matrix, behind
a list of the largest mistakes."""
TOO_MANY_CLASSES = 150
"""Above this the list stands alone: nobody reads such a matrix, and it would fill the file."""
HEAT_LEVELS = 10
LEAST_SHADED = 0.01  # a share of the row that is less is not shaded
MOST_CONFUSIONS = 20


@dataclass(frozen=True)
class Cell:
    """A number; as a share of 100, the length of its bar and the ends of its interval."""

    text: str
    bar: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ClassTable:
    """One row for each class: name and cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    folded: bool


@dataclass(frozen=True)
class Heat:
    """One field of a confusion matrix; `level` 0..10 is its share of the row."""

    text: str
    level: int
    title: str


@dataclass(frozen=True)
class Confusion:
    """Truth in rows, prediction in columns; for many classes also the largest mistakes, first.

    `largest` is (truth, predicted, count, share of the truth); a field of `matrix` is None where
    nothing was counted.
    """

    matrix: tuple[tuple[str, tuple[Heat | None, ...]], ...] = ()
    largest: tuple[tuple[str, str, str, str], ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class DataSummary:
    """Counts of classes in splits, and for each split (name, total, fewest, median, most)."""

    splits: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    totals: tuple[str, ...]
    spread: tuple[tuple[str, str, str, str], ...]
    folded: bool


def data_summary(
    data: Mapping[str, Mapping[str, int]], classes: Sequence[str], additive: bool
) -> DataSummary:
    """Counts of each class in each split.

    `additive` says that counts may be summed: pictures that show a class may not, as one picture
    shows many. The classes come in the order of `classes`, then any others.
    """
    names = list(dict.fromkeys([*classes, *(name for counts in data.values() for name in counts)]))
    most = {split: max(counts.values(), default=0) for split, counts in data.items()}
    rows = []
    for name in names:
        cells = []
        for split, counts in data.items():
            count = counts.get(name, 0)
            cells.append(Cell(f"{count:,}", 100 * count / most[split] if most[split] else 0.0))
        rows.append((name, tuple(cells)))
    totals = tuple(f"{sum(counts.values()):,}" for counts in data.values()) if additive else ()
    return DataSummary(
        splits=tuple(data),
        rows=tuple(rows),
        totals=totals,
        spread=tuple(_spread(split, counts, names) for split, counts in data.items()),
        folded=len(names) > MANY_CLASSES,
    )


def _spread(
    split: str, counts: Mapping[str, int], names: Sequence[str]
) -> tuple[str, str, str, str]:
    """(split, fewest, median, most) with the names of the classes at the ends."""
    ordered = sorted((counts.get(name, 0), name) for name in names)
    if not ordered:
        return split, "", "", ""
    middle = f"{statistics.median(count for count, _ in ordered):,.1f}".removesuffix(".0")
    (few, few_name), (many, many_name) = ordered[0], ordered[-1]
    return split, f"{few:,} ({few_name})", middle, f"{many:,} ({many_name})"


def overall_rows(
    all_scores: Mapping[str, Scores],
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """For each score its (value, interval) on each split; the headline first."""
    names = [scores.headline for scores in all_scores.values()]
    names += [name for scores in all_scores.values() for name in scores.overall]
    rows = []
    for name in dict.fromkeys(names):
        cells = []
        for scores in all_scores.values():
            score = scores.overall.get(name)
            cells.append(
                ("", "") if score is None else (number_text(score.value), interval_text(score))
            )
        rows.append((score_name(name), tuple(cells)))
    return tuple(rows)


def class_table(scores: Scores) -> ClassTable:
    """The scores of each class, the worst by the first score first, bars in that score's column."""
    names = list(dict.fromkeys(name for one in scores.per_class.values() for name in one))
    values = [score.value for one in scores.per_class.values() for score in one.values()]
    scale = max([1.0, *(value for value in values if math.isfinite(value))])
    rows = [
        (label, tuple(_cell(one.get(name), scale) for name in names))
        for label, one in sorted(
            scores.per_class.items(), key=lambda entry: _rank(entry[1].get(names[0]))
        )
    ]
    return ClassTable(tuple(map(score_name, names)), tuple(rows), len(rows) > MANY_CLASSES)


def _rank(score: Score | None) -> float:
    """The place in the table: what has no number comes last."""
    return math.inf if score is None or not math.isfinite(score.value) else score.value


def _cell(score: Score | None, scale: float) -> Cell:
    if score is None or not math.isfinite(score.value):
        return Cell(number_text(None))
    low, high = (
        None if end is None or not math.isfinite(end) else _percent(end / scale)
        for end in (score.low, score.high)
    )
    return Cell(number_text(score.value), _percent(score.value / scale), low, high)


def _percent(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 1)


def confusion(scores: Scores, classes: Sequence[str], as_shares: bool) -> Confusion | None:
    """The confusion matrix of `scores`, if it has one; `as_shares` writes shares of the row.

    With more than `MANY_CLASSES` classes the largest mistakes come first, with more than
    `TOO_MANY_CLASSES` alone.
    """
    if scores.confusion is None:
        return None
    many = len(classes) > MANY_CLASSES
    largest = _largest_mistakes(scores.confusion, classes) if many else ()
    if len(classes) > TOO_MANY_CLASSES:
        return Confusion(largest=largest)
    rows = []
    for truth, counts in zip(classes, scores.confusion, strict=True):
        total = sum(counts)
        fields = tuple(
            _heat(truth, predicted, count, total, as_shares) if count else None
            for predicted, count in zip(classes, counts, strict=True)
        )
        rows.append((truth, fields))
    return Confusion(tuple(rows), largest, folded=many)


def _heat(truth: str, predicted: str, count: int, total: int, as_shares: bool) -> Heat:
    share = count / total
    level = max(round(share * HEAT_LEVELS), int(share >= LEAST_SHADED))
    title = f"{truth} taken for {predicted}: {count:,} of {total:,} ({share:.1%})"
    return Heat(_share_text(share) if as_shares else f"{count:,}", level, title)


def _share_text(share: float) -> str:
    """Whole per cents, and a mark for less than a half.

    >>> [_share_text(share) for share in (0.001, 0.256, 1.0)]
    ['<1', '26', '100']
    """
    return "<1" if share < 0.005 else f"{100 * share:.0f}"


def _largest_mistakes(
    matrix: Sequence[Sequence[int]], classes: Sequence[str]
) -> tuple[tuple[str, str, str, str], ...]:
    mistakes = [
        (count, row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count > 0
    ]
    mistakes.sort(key=lambda one: (-one[0], one[1], one[2]))
    return tuple(
        (classes[row], classes[column], f"{count:,}", f"{count / sum(matrix[row]):.1%}")
        for count, row, column in mistakes[:MOST_CONFUSIONS]
    )
