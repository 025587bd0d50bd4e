"""What the doctor found, in words: for a terminal, and as the skeleton of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manako.data.check import ODDITIES, DataReport, Same
from manako.data.names import listed

MOST_ROWS = 5
"""Of each kind of finding, in the text."""
MANY_CLASSES = 20  # of more, the text shows the rarest and the most frequent
IMBALANCE_TOLD = 3.0
NOT_ALL_COMPARED = "too many pictures resemble each other: copies may have been missed"
WARNED_OF = frozenset({"blank", "box_empty", "box_outside"})


@dataclass(frozen=True)
class Section:
    """One kind of finding: `level` is "refused", "warning" or "note"; rows are worst first.

    `kind` names it: "faults", "leaks", "conflicts", "repeats", "alike", one of `ODDITIES`, "set".
    """

    kind: str
    level: str
    title: str
    rows: tuple[str, ...]


def sections(report: DataReport, *, allow_leakage: bool = False) -> list[Section]:
    """Everything that was found, the worst first."""
    found = [
        *_refusals(report, "warning" if allow_leakage else "refused"),
        *_contradictions(report),
        *_of_the_set(report),
        *_oddities(report),
        *_copies(report),
    ]
    return sorted(found, key=lambda one: ("refused", "warning", "note").index(one.level))


def verdict(report: DataReport, *, allow_leakage: bool = False) -> str:
    """One line: whether the set can be trained on, and why not."""
    if report.is_fit(allow_leakage=allow_leakage):
        return "fit for training"
    reasons = []
    if report.faults:
        reasons.append(f"{pictures(len(report.faults))} cannot be used")
    if report.leaks and not allow_leakage:
        reasons.append(f"{pictures(len(report.leaks))} in more than one split")
    return f"not fit for training: {', '.join(reasons)}"


def check_text(report: DataReport, *, allow_leakage: bool = False) -> str:
    """The findings as lines, a few rows of each."""
    lines = []
    for section in sections(report, allow_leakage=allow_leakage):
        lines.append(f"{section.level:8} {section.title}")
        lines += [f"           {row}" for row in section.rows[:MOST_ROWS]]
        if len(section.rows) > MOST_ROWS:
            lines.append(f"           and {len(section.rows) - MOST_ROWS:,} more")
    return "\n".join([*lines, verdict(report, allow_leakage=allow_leakage)])


def class_rows(report: DataReport) -> tuple[tuple[str, ...], list[tuple[str | int, ...]]]:
    """Column titles and rows: each class with its count in each split.

    Of many classes only the rarest and the most frequent are shown.
    """
    splits = tuple(report.splits)
    names = list(dict.fromkeys(name for one in report.class_counts.values() for name in one))
    rows: list[tuple[str | int, ...]] = [
        (name, *(report.class_counts[split].get(name, 0) for split in splits)) for name in names
    ]
    if len(rows) > MANY_CLASSES:
        rows.sort(key=lambda row: sum(count for count in row[1:] if isinstance(count, int)))
        half = MANY_CLASSES // 4
        gap = (f"({len(rows) - 2 * half} more)", *("" for _ in splits))
        rows = [*rows[:half], gap, *rows[-half:]]
    return ("class", *splits), rows


def pictures(count: int) -> str:
    """How many pictures, in words.

    >>> pictures(1), pictures(1200)
    ('1 picture', '1,200 pictures')
    """
    return "1 picture" if count == 1 else f"{count:,} pictures"


def same_text(same: Same) -> str:
    """The places of one picture, with their labels where these differ.

    >>> from manako.data.check import Place
    >>> same_text(Same((Place("a.png", "test", "cat"), Place("b.png", "train", "dog")), True))
    'a.png (cat) = b.png (dog)'
    """
    shown = [
        f"{place.path} ({place.truth})" if same.is_contradiction else place.path
        for place in same.places
    ]
    text = " = ".join(shown[:4]) + (f" and {len(shown) - 4:,} more" if len(shown) > 4 else "")
    return text if same.same_pixels else f"{text}, coded or scaled anew"


def _refusals(report: DataReport, level_of_leaks: str) -> Iterator[Section]:
    if report.faults:
        rows = tuple(fault.error for fault in report.faults)
        yield Section("faults", "refused", f"{pictures(len(rows))} cannot be used", rows)
    if report.leaks:
        rows = tuple(same_text(same) for same in report.leaks)
        title = f"{pictures(len(rows))} in more than one split"
        yield Section("leaks", level_of_leaks, title, rows)


def _contradictions(report: DataReport) -> Iterator[Section]:
    if report.conflicts:
        rows = tuple(same_text(same) for same in report.conflicts)
        yield Section("conflicts", "warning", f"{pictures(len(rows))} under two labels", rows)


def _of_the_set(report: DataReport) -> Iterator[Section]:
    for split, names in report.absent.items():
        yield Section("set", "warning", f"{split} holds nothing of {listed(names)}", ())
    if not report.all_compared:
        yield Section("set", "warning", NOT_ALL_COMPARED, ())
    if report.imbalance is not None and report.imbalance >= IMBALANCE_TOLD:
        counts = {name: count for name, count in report.class_counts["train"].items() if count}
        often, rarely = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        text = (
            f"train has {report.imbalance:.3g} times as much of {often} ({counts[often]:,}) "
            f"as of {rarely} ({counts[rarely]:,})"
        )
        yield Section("set", "note", text, ())
    for split, share in report.ignored_shares.items():
        if share:
            yield Section("set", "note", f"{share:.1%} of the pixels of {split} do not count", ())
    if report.unused:
        text = f"{pictures(len(report.unused))} beside the set not used"
        yield Section("unused", "note", text, report.unused)


def _oddities(report: DataReport) -> Iterator[Section]:
    for kind, found in report.oddities.items():
        rows = tuple(f"{path}: {what}" if what else path for path, what in found)
        level = "warning" if kind in WARNED_OF else "note"
        yield Section(kind, level, f"{pictures(len(rows))} {ODDITIES[kind]}", rows)


def _copies(report: DataReport) -> Iterator[Section]:
    if report.repeats:
        rows = tuple(same_text(same) for same in report.repeats)
        yield Section("repeats", "note", f"{pictures(len(rows))} more than once in a split", rows)
    if report.alike:
        across = [pair for pair in report.alike if pair[0].split != pair[1].split]
        ordered = [*across, *(pair for pair in report.alike if pair[0].split == pair[1].split)]
        text = f"{_pairs(len(ordered))} of pictures look alike, {len(across):,} across splits"
        yield Section("alike", "note", text, tuple(f"{a.path} ~ {b.path}" for a, b in ordered))


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"
