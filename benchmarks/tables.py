"""Write the measured figures into `docs/benchmarks.md` and the README, from `results/*.json`.

With `--check` nothing is written: the exit code tells whether the pages are what the results say.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from record import HERE, RESULTS

ROOT = HERE.parent
MARKS = ("<!-- figures: begin -->", "<!-- figures: end -->")


def result(claim: str) -> dict[str, Any] | None:
    path = RESULTS / f"{claim}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def training_rows() -> list[tuple[str, ...]]:
    names = {"cifar10": "CIFAR-10 (JPEG copy)", "bccd": "BCCD", "camvid": "CamVid"}
    rows = []
    for name, title in names.items():
        one = result(f"train-{name}")
        if one is None:
            continue
        low, high = one["interval"]
        rows.append(
            (
                title,
                one["score"].replace("_", " "),
                f"{one['value']:.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{one['at_least']:.2f}",
                f"{one['training_seconds'] / 60:.1f} min",
                f"{one['wall_clock_seconds'] / 60:.1f} min",
                f"`{one['command']}`",
            )
        )
    return rows


def trust_rows() -> list[tuple[str, ...]]:
    rows = []
    kill = result("trust-kill")
    if kill is not None:
        rows.append(
            (
                "runs killed with `kill -9` and resumed end bit-identical",
                f"{kill['identical']} of {kill['runs']} runs, {kill['kills']} kills, "
                f"{kill['kills_while_saving']} of them during a save",
                "`make trust-kill`",
            )
        )
    agreement = result("trust-agreement")
    if agreement is not None:
        tasks = [agreement[task] for task in ("classification", "detection", "segmentation")]
        rows += [
            (
                "`val` and `predict` give the same bits",
                f"{sum(one['val_equals_predict'] for one in tasks)} of "
                f"{sum(one['pictures'] for one in tasks)} pictures, three tasks",
                "`make trust-agreement`",
            ),
            (
                "single pictures against batches",
                f"largest difference {max(one['single_against_batch'] for one in tasks):.1e}",
                "`make trust-agreement`",
            ),
            (
                "a changed byte in a recognizer is refused",
                f"{sum(one['changed_bytes_refused'] for one in tasks)} of "
                f"{sum(one['changed_bytes'] for one in tasks)}",
                "`make trust-agreement`",
            ),
        ]
    startup = result("startup")
    if startup is not None:
        rows.append(
            (
                "`manako --help`",
                f"{startup['help_seconds']:.2f} s (bare Python: "
                f"{startup['bare_python_seconds']:.2f} s)",
                "`make bench-startup`",
            )
        )
    return rows


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figures() -> str:
    machine = next((one["machine"] for one in map(result, ("train-cifar10", "startup")) if one), {})
    trained = table(
        ("data", "test score", "value", "95 % interval", "aim", "training", "in all", "command"),
        training_rows(),
    )
    trusted = table(("what", "measured", "command"), trust_rows())
    where = (
        f"{machine.get('cores', '?')} cores of {machine.get('processor', '?')} with "
        f"{machine.get('instructions', '?')}, torch {machine.get('torch', '?')}"
    )
    return f"From scratch, on {where}:\n\n{trained}\n\nTrust:\n\n{trusted}"


def updated(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return f"{before}{MARKS[0]}\n{figures()}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    stale = []
    for page in (ROOT / "README.md", ROOT / "docs" / "benchmarks.md"):
        text = updated(page)
        if text != page.read_text(encoding="utf-8"):
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(text, encoding="utf-8")
    print(f"changed: {', '.join(stale) or 'nothing'}")
    sys.exit(1 if stale and "--check" in sys.argv else 0)
