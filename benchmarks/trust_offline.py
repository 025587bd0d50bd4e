"""Every verb works with sockets blocked, and asks for none.

Each command runs under strace, which refuses every `socket` call of the process and its children
with EPERM and writes down that it was made.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import subsets
from record import WORK, fresh, prove

FOLDER = WORK / "offline"


def commands(data: Path, run: Path) -> dict[str, list[str]]:
    """Verb -> its arguments, in an order in which each finds what it needs."""
    picture = next(path for path in sorted(data.rglob("*")) if path.suffix in (".jpg", ".png"))
    return {
        "check": ["check", str(data), "--html", str(FOLDER / "check.html")],
        "train and report": [
            *("train", str(data), "--out", str(run), "--model", "quick32"),
            *("--model-option", "width=8", "--steps", "20", "--batch", "16", "--workers", "2"),
        ],
        "resume": ["resume", str(run)],
        "val": ["val", str(run), str(data), "--split", "val"],
        "predict": ["predict", str(run), str(picture), "--out", str(FOLDER / "drawn")],
        "models": ["models", "--json"],
        "info": ["info", "resnet18", "--json"],
        "cache": ["cache", "--json"],
    }


def sockets_asked_for(arguments: list[str]) -> tuple[int, Counter[str]]:
    """The exit code of a verb whose sockets are refused, and the calls that it made, by family."""
    log = FOLDER / "sockets.trace"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "--seccomp-bpf", "-o", str(log)),
            *("-e", "trace=socket", "-e", "inject=socket:error=EPERM"),
            *(sys.executable, "-m", "manako", *arguments),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, Counter(re.findall(r"socket\((\w+)", log.read_text(encoding="utf-8")))


def measure() -> dict[str, object]:
    if shutil.which("strace") is None:
        sys.exit("strace is needed (on Debian: apt install strace)")
    fresh("offline").mkdir(parents=True)
    codes: dict[str, int] = {}
    asked: Counter[str] = Counter()
    for verb, arguments in commands(subsets.cifar10(), FOLDER / "run").items():
        codes[verb], calls = sockets_asked_for(arguments)
        asked += calls
        print(f"{verb}: exit code {codes[verb]}, sockets asked for: {calls.total()}", flush=True)
    report = (FOLDER / "run" / "report.html").is_file()
    return {
        "exit_codes": codes,
        "sockets_asked_for": asked.total(),
        "families": dict(asked),
        "report_written": report,
        "reached": report and set(codes.values()) == {0},
    }


if __name__ == "__main__":
    sys.exit(0 if prove("trust-offline", measure)["reached"] else 8)
