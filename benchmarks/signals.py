"""Spoken digits as waveform and as spectrogram, and series of several channels.

python benchmarks/signals.py [NAME...]

* Free Spoken Digit (half), given split and with each of the six speakers left out, as waveform
  (1-D) and as log-mel spectrogram (2-D).
* BasicMotions and JapaneseVowels of the UEA archive in their given split, AReM with the sequences
  1 to 2 of bending and 1 to 3 of the other activities as test; five seeds each.

Every cell has a result file of its own.
"""

from __future__ import annotations

import csv
import statistics
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from record import WORK, fresh, manako, prove, shared
from scipy.stats import binomtest

SEEDS = range(5)
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
REPRESENTATIONS = ("waveform", "log-mel")
SPOKEN = ("--model", "resnet18", "--epochs", "30")
SERIES = ("--model", "resnet20", "--epochs", "100")
PUBLISHED = {  # Bagnall et al. 2018: 1-NN with Euclidean distance, and with dynamic time warping
    "BasicMotions": "0.676 (1-NN), 0.975 to 1.00 (DTW)",
    "JapaneseVowels": "0.924 (1-NN), 0.949 to 0.959 (DTW)",
    "arem": None,
}
# Copies of sequences that are in the test part, and of one another.
COPIES = {f"lying/dataset{number}.csv" for number in range(11, 16)} | {"cycling/dataset15.csv"}

Row = tuple[str, str, str]


def unpacked(archive: str) -> Path:
    """The folder with the files of an archive."""
    folder = WORK / "data" / archive.partition(".")[0]
    if not (folder / "whole").exists():
        with tarfile.open(shared(archive)) as packed:
            packed.extractall(folder, filter="data")
        (folder / "whole").touch()
    return folder


def table(folder: Path, name: str, rows: Iterable[Row]) -> Path:
    """A list of files with label and split."""
    path = folder / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "split"))
        writer.writerows(rows)
    return path


def spoken(left_out: str | None) -> Path:
    """The digits, in their given split, or with one speaker to test on."""
    folder = unpacked("fsdd.tar.gz")
    rows: list[Row] = []
    for path in sorted(folder.rglob("*.wav")):
        digit, speaker, _ = path.stem.split("_")
        split = path.parent.name
        if left_out is not None:
            split = "test" if speaker == left_out else "train"
        rows.append((str(path.relative_to(folder)), digit, split))
    return table(folder, f"without-{left_out}" if left_out else "given", rows)


def activities() -> Path:
    """AReM with its usual test part."""
    folder = unpacked("arem.tar.gz")
    rows: list[Row] = []
    for path in sorted(folder.rglob("dataset*.csv")):
        name, number = path.parent.name, int(path.stem.removeprefix("dataset"))
        if f"{name}/{path.name}" in COPIES:
            continue
        test = number <= (2 if name.startswith("bending") else 3)
        rows.append((str(path.relative_to(folder)), name, "test" if test else "train"))
    return table(folder, "activities", rows)


def accuracy(name: str, data: Path, seed: int, options: Sequence[str]) -> tuple[float, float]:
    """Test accuracy of a run, and its minutes."""
    out = fresh(f"signals-{name}-{seed}")
    found = manako("train", str(data), "--out", str(out), "--seed", str(seed), *options)
    return found["scores"]["test"]["overall"]["accuracy"]["value"], found["seconds"] / 60


def spoken_digits(representation: str, left_out: str | None = None) -> dict[str, object]:
    options = (*SPOKEN, "--representation", representation)
    data = spoken(left_out)
    sounds = data.read_text(encoding="utf-8").count(",test\n")
    value, minutes = accuracy(f"spoken-{representation}-{left_out}", data, 0, options)
    low, high = binomtest(round(value * sounds), sounds).proportion_ci(method="wilson")
    return {
        "data": "fsdd.tar.gz",
        "options": " ".join(options),
        "accuracy": round(value, 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "test_sounds": sounds,
        "training_minutes": round(minutes, 2),
    }


def series(name: str) -> dict[str, object]:
    data = activities() if name == "arem" else unpacked("uea_multivariate.tar.gz")
    if name != "arem":
        data = next(data.rglob(f"{name}_TRAIN.ts")).parent
    runs = [accuracy(name, data, seed, SERIES) for seed in SEEDS]
    values = [value for value, _ in runs]
    return {
        "data": name,
        "options": " ".join(SERIES),
        "accuracies": [round(one, 4) for one in values],
        "mean": round(statistics.mean(values), 4),
        "deviation": round(statistics.stdev(values), 4),
        "published": PUBLISHED[name],
        "training_minutes": round(statistics.mean(minutes for _, minutes in runs), 2),
    }


CELLS = {
    **{f"spoken-{one}": lambda one=one: spoken_digits(one) for one in REPRESENTATIONS},
    **{
        f"spoken-{one}-without-{who}": lambda one=one, who=who: spoken_digits(one, who)
        for one in REPRESENTATIONS
        for who in SPEAKERS
    },
    **{name: lambda name=name: series(name) for name in PUBLISHED},
}

if __name__ == "__main__":
    names = [one for one in sys.argv[1:] if not one.startswith("-")] or list(CELLS)
    if any(one not in CELLS for one in names):
        sys.exit(f"usage: signals.py [{' | '.join(CELLS)}] [--again]")
    for one in names:
        prove(f"signals/{one}", CELLS[one])
