"""Three tasks from scratch on two CPU cores, each within a budget of wall-clock time.

python benchmarks/train_from_scratch.py cifar10 | bccd | camvid
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from record import fresh, manako, prove, shared


@dataclass(frozen=True)
class Proof:
    """A data set, the options of the run, and the least score on its test pictures."""

    archive: str
    budget: str
    score: str
    at_least: float
    options: tuple[str, ...] = ()


PROOFS = {
    "cifar10": Proof("cifar10.tar.gz", "8m", "accuracy", 0.88, ("--mirror",)),
    "bccd": Proof("bccd.tar", "6m", "AP50", 0.70),
    "camvid": Proof("camvid.tar", "10m", "mean_iou", 0.35, ("--model-option", "width=32")),
}


def measure(name: str) -> dict[str, object]:
    proof = PROOFS[name]
    out = fresh(name)
    arguments = [
        "train",
        str(shared(proof.archive)),
        "--budget",
        proof.budget,
        "--out",
        str(out),
        *proof.options,
    ]
    started = time.monotonic()
    result = manako(*arguments)
    seconds = time.monotonic() - started
    test = result["scores"]["test"]
    score = test["overall"][proof.score]
    return {
        "data": proof.archive,
        "command": "manako train "
        + " ".join([proof.archive, "--budget", proof.budget, *proof.options]),
        "score": proof.score,
        "value": round(score["value"], 4),
        "interval": [round(score["low"], 4), round(score["high"], 4)],
        "at_least": proof.at_least,
        "reached": score["value"] >= proof.at_least,
        "test_pictures": test["pictures"],
        "per_class": {
            label: {key: round(one["value"], 4) for key, one in scores.items()}
            for label, scores in test["per_class"].items()
        },
        "training_seconds": round(result["seconds"], 1),
        "wall_clock_seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    names = [one for one in sys.argv[1:] if not one.startswith("-")]
    if not names or any(one not in PROOFS for one in names):
        sys.exit(f"usage: train_from_scratch.py {' | '.join(PROOFS)} [--again]")
    reached = [prove(f"train-{one}", lambda one=one: measure(one))["reached"] for one in names]
    sys.exit(0 if all(reached) else 8)
