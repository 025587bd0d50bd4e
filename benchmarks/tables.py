"""Write the measured figures of `results/*.json` into `docs/benchmarks.md`, some into the README.

With `--check` nothing is written: the exit code tells whether the pages are what the results say.
"""

from __future__ import annotations

import sys
from pathlib import Path

from record import HERE
from rows import (
    TRANSFER_WAYS,
    backbone_rows,
    character_rows,
    cifar10_rows,
    family_rows,
    result,
    scaling_rows,
    signal_rows,
    speed_rows,
    textbook_rows,
    training_rows,
    transfer_rows,
    trust_rows,
)

ROOT = HERE.parent
Section = tuple[str, tuple[str, ...], list[tuple[str, ...]]]  # title, columns, rows
MARKS = ("<!-- figures: begin -->", "<!-- figures: end -->")


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def headlines() -> list[Section]:
    """What the README quotes."""
    machine = next((one["machine"] for one in map(result, ("cifar10", "startup")) if one), {})
    where = (
        f"{machine.get('cores', '?')} cores of {machine.get('processor', '?')} with "
        f"{machine.get('instructions', '?')}, torch {machine.get('torch', '?')}"
    )
    return [
        (
            f"CIFAR-10 (JPEG copy) from scratch, on {where}; three seeds, test accuracy:",
            ("training", "accuracy", "minutes of training"),
            cifar10_rows(),
        ),
        (
            "From scratch on the same machine:",
            ("data", "test score", "value (95 %)", "aim", "training", "in all", "command"),
            training_rows(),
        ),
        (
            "Speed beside torchvision in plain torch, both in one run:",
            ("what", "manako", "the other", "ratio", "command"),
            speed_rows(),
        ),
        ("Trust:", ("what", "measured", "command"), trust_rows()),
    ]


def details() -> list[Section]:
    """What stands on the page alone."""
    return [
        (
            "One network of every family on CIFAR-10 (JPEG copy), eight minutes each, everything "
            "included (`make bench-families`); test accuracy:",
            ("network", "options", "parameters", "accuracy (95 %)", "training"),
            family_rows(),
        ),
        (
            "From a ResNet-18 that learned CIFAR-10, and from scratch, 300 steps each, three seeds "
            "(`make bench-transfer`); test accuracy:",
            ("photographs", "of each class", *TRANSFER_WAYS),
            transfer_rows(),
        ),
        (
            "Fifteen katakana, twelve writers to train and eight others to test, five seeds "
            "(`make bench-characters`):",
            ("augmentation", "options", "test accuracy", "each seed"),
            character_rows(),
        ),
        (
            "Networks beside the library's own in float32, in one run (`make bench-backbones`); "
            "pictures a second, ours divided by theirs, and the peak of memory (theirs / ours / "
            "ours as `manako train` computes):",
            (
                *("network", "library", "forward", "training step"),
                *("forward, default mode", "training step, default mode", "memory"),
            ),
            backbone_rows(),
        ),
        (
            "The textbook, in NumPy alone (`make bench-textbook`):",
            ("what", "measured", "aim"),
            textbook_rows(),
        ),
        (
            "Compound scaling: `manako scale resnet20 cifar10.tar.gz --macs 82M --budget 30m` "
            "(`make bench-scaling`), the best on validation first:",
            (
                *("depth", "width", "pictures", "multiply-adds", "weights"),
                *("a prediction", "validation accuracy (95 %)"),
            ),
            scaling_rows(),
        ),
        (
            "Signals (`make bench-signals`); test accuracy:",
            ("data", "measured", "of", "published"),
            signal_rows(),
        ),
    ]


def figures(sections: list[Section]) -> str:
    return "\n\n".join(
        f"{title}\n\n{table(columns, rows)}" for title, columns, rows in sections if rows
    )


def updated(page: Path, sections: list[Section]) -> str:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return f"{before}{MARKS[0]}\n{figures(sections)}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    stale = []
    pages = {
        ROOT / "README.md": headlines(),
        ROOT / "docs" / "benchmarks.md": headlines() + details(),
    }
    for page, sections in pages.items():
        text = updated(page, sections)
        if text != page.read_text(encoding="utf-8"):
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(text, encoding="utf-8")
    print(f"changed: {', '.join(stale) or 'nothing'}")
    sys.exit(1 if stale and "--check" in sys.argv else 0)
