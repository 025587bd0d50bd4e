"""Data sets learned from scratch on two CPU cores, most within a budget of wall-clock time.

python benchmarks/train_from_scratch.py NAME...
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
    score: str
    at_least: float | None  # None: as far as it goes
    options: tuple[str, ...]


PROOFS = {
    "bccd": Proof("bccd.tar", "AP50", 0.70, ("--budget", "6m")),
    "camvid": Proof(
        "camvid.tar", "mean_iou", 0.35, ("--budget", "10m", "--model-option", "width=32")
    ),
    "mnist": Proof("mnist.tar.gz", "accuracy", 0.995, ("--epochs", "12")),
    "fashion-mnist": Proof(
        "fashion_mnist.tar.gz",
        "accuracy",
        0.91,
        ("--epochs", "40", "--augment", "photo", "--mirror"),
    ),
    "wrn": Proof(
        "cifar10.tar.gz",
        "accuracy",
        None,
        ("--model", "wrn_16_4", "--model-option", "dropout=0.3", "--budget", "45m", "--mirror"),
    ),
    "clothing": Proof("clothing.tar", "accuracy", None, ("--budget", "10m", "--mirror")),
}


def measure(proof: Proof, name: str) -> dict[str, object]:
    """The run of a proof in the work folder `name`: its score, and what it took."""
    out = fresh(name)
    arguments = ["train", str(shared(proof.archive)), "--out", str(out), *proof.options]
    started = time.monotonic()
    result = manako(*arguments)
    seconds = time.monotonic() - started
    test = result["scores"]["test"]
    score = test["overall"][proof.score]
    return {
        "data": proof.archive,
        "command": " ".join(["manako train", proof.archive, *proof.options]),
        "score": proof.score,
        "value": round(score["value"], 4),
        "interval": [round(score["low"], 4), round(score["high"], 4)],
        "at_least": proof.at_least,
        "reached": proof.at_least is None or score["value"] >= proof.at_least,
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
    reached = [
        prove(f"train-{one}", lambda one=one: measure(PROOFS[one], one))["reached"] for one in names
    ]
    sys.exit(0 if all(reached) else 8)
