"""When is it worth to start from other weights, and how much of them should learn?

A ResNet-18 learns CIFAR-10's ten classes at 64 px for some minutes. From there, and from scratch,
it learns photographs of clothes (10 classes, with 5, 20 and all 110 pictures of each) and of pets
(37 breeds, with 1, 5 and all of each, some 15), each in five ways and with three seeds:

* head: all but the last layer stays as it is;
* last stage: the last of the four stages learns, too;
* frozen norms: everything learns, but batch norms keep their statistics;
* everything;
* scratch: everything, from random weights, at the recipe's own rate.

All runs have the same number of steps. Which pictures are few is drawn by the seed; the validation
and test pictures are always the same.

Every cell (data, pictures of a class, way) has a result file of its own.

python benchmarks/transfer.py [clothing | pets]
"""

from __future__ import annotations

import csv
import random
import statistics
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

from record import WORK, fresh, manako, prove, shared

SEEDS = (0, 1, 2)
PRETRAINING = ("--model", "resnet18", "--imgsz", "64", "--budget", "10m", "--seed", "0")
RUN = ("--imgsz", "64", "--steps", "300", "--batch", "32", "--no-preflight")
FINE = ("--lr", "0.01")
ALL = 10**6
COUNTS = {"clothing": (5, 20, ALL), "pets": (1, 5, ALL)}
ARCHIVES = {"clothing": "clothing.tar", "pets": "oxford_pets_subset.tar"}
KEPT_FOR_VALIDATION = {"clothing": 0, "pets": 5}  # of each class; clothing has a part for it
COPIES = {"Bombay_136.jpg"}  # of a test picture
WAYS: dict[str, tuple[str, ...]] = {
    "head": (*FINE, "--freeze", "backbone"),
    "last-stage": (*FINE, "--freeze", "4"),
    "frozen-norms": (*FINE, "--frozen-norms"),
    "everything": FINE,
    "scratch": (),
}


def pretrained() -> Path:
    """The run on CIFAR-10, made when it is not there yet."""
    folder = WORK / "transfer-pretrained"
    if not (folder / "recognizer").exists():
        manako(
            "train", str(shared("cifar10.tar.gz")), *PRETRAINING, "--out", str(fresh(folder.name))
        )
    return folder


def photographs(name: str) -> Path:
    """The folder with the pictures of an archive."""
    folder = WORK / "data" / name
    if not (folder / "whole").exists():
        with tarfile.open(shared(ARCHIVES[name])) as archive:
            archive.extractall(folder, filter="data")
        (folder / "whole").touch()
    return folder


def few(name: str, count: int, seed: int) -> Path:
    """A table of pictures with `count` of each class to train on."""
    folder = photographs(name)
    parts: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.rglob("*.jpg")):
        if path.name in COPIES:
            continue
        parts[path.parent.parent.name][path.parent.name].append(path)
    chosen = random.Random(seed)
    rows = []
    for split, classes in parts.items():
        for label, paths in classes.items():
            kept = KEPT_FOR_VALIDATION[name] if split == "train" else 0
            for path in paths[:kept]:
                rows.append((path, label, "val"))
            others = paths[kept:]
            if split == "train":
                others = chosen.sample(others, min(count, len(others)))
            rows += [(path, label, split) for path in others]
    table = folder / f"at-most-{count}-{seed}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        writer.writerows((path.relative_to(folder), label, split) for path, label, split in rows)
    return table


def measure(name: str, count: int, way: str) -> dict[str, object]:
    """Three runs of a cell."""
    start = () if way == "scratch" else ("--weights", str(pretrained()))
    values, minutes = [], []
    for seed in SEEDS:
        out = fresh(f"transfer-{name}-{count}-{way}-{seed}")
        options = ("--model", "resnet18", *start, *WAYS[way], *RUN, "--seed", str(seed))
        result = manako("train", str(few(name, count, seed)), "--out", str(out), *options)
        values.append(result["scores"]["test"]["overall"]["accuracy"]["value"])
        minutes.append(result["seconds"] / 60)
    return {
        "data": ARCHIVES[name],
        "pictures_of_a_class": "all" if count == ALL else count,
        "way": way,
        "options": " ".join((*WAYS[way], *RUN)),
        "accuracies": [round(value, 4) for value in values],
        "mean": round(statistics.mean(values), 4),
        "deviation": round(statistics.stdev(values), 4),
        "training_minutes": round(statistics.mean(minutes), 2),
    }


if __name__ == "__main__":
    for name in [one for one in sys.argv[1:] if one in COUNTS] or list(COUNTS):
        for count in COUNTS[name]:
            for way in WAYS:
                prove(
                    f"transfer/{name}-{'all' if count == ALL else count}-{way}",
                    lambda cell=(name, count, way): measure(*cell),
                )
