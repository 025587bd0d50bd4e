"""Compound scaling on CIFAR-10: which shape of ResNet-20 is best at up to twice its multiply-adds.

python benchmarks/scaling.py

All trials get the same time, so a larger network sees fewer pictures. A search that was interrupted
goes on. The plot goes to `docs/images/scaling.svg`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from record import HERE, WORK, fresh, manako, prove, shared

MODEL, DATA = "resnet20", "cifar10.tar.gz"
LIMITS = ("--macs", "82M", "--budget", "30m", "--seed", "0")
PLOT = HERE.parent / "docs" / "images" / "scaling.svg"


def measure() -> dict[str, object]:
    """The search, its trials with the best on validation first."""
    out = fresh("scaling") if "--again" in sys.argv else WORK / "scaling"
    found = manako("scale", MODEL, str(shared(DATA)), *LIMITS, "--out", str(out))
    shutil.copy(Path(found["plot"]), PLOT)
    trials = [{key: one[key] for key in one if key != "run"} for one in found["trials"]]
    return {
        "command": " ".join(["manako scale", MODEL, DATA, *LIMITS]),
        "score": found["score"],
        "trials": trials,
    }


if __name__ == "__main__":
    prove("scaling", measure)
