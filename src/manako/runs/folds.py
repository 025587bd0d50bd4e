"""Cross-validation: a run for each part of the data, and how far their scores spread.

FOLDER/
    asked.json         what was asked, and of which data; a second call must ask the same
    fold-1 … fold-k    the runs; part i of k validates, the others train
    folds.json         mean and deviation of every score; written last
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manako.config.settings import Asked
from manako.console.messages import say
from manako.data.exclusion import parse_exclude_file
from manako.data.formats import read_dataset
from manako.errors import ArtefactError, Stopped, UsageError
from manako.models.weights import absolute_source
from manako.runs.folder import RunFolder, claim_run_folder, read_json, write_json
from manako.runs.result import Run
from manako.runs.start import resume, train
from manako.training.distribution import started_processes

_LEARNED_FROM = "learned_from"


@dataclass(frozen=True)
class Spread:
    """A score in each of the runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the runs."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation over the runs, with one degree of freedom less than these."""
        return statistics.stdev(self.values)

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"

    def as_json(self) -> dict[str, Any]:
        """The three as a JSON object."""
        return {"mean": self.mean, "deviation": self.deviation, "values": list(self.values)}


@dataclass(frozen=True)
class Folds:
    """The finished runs of a cross-validation and the spread of their scores, by split and name.

    Every picture outside the test split validates once. Each run keeps the network that was best on
    its own validation part, so that these scores flatter slightly; those on a test split do not.
    """

    folder: Path
    runs: tuple[Run, ...]
    scores: Mapping[str, Mapping[str, Spread]]

    @property
    def headline(self) -> str:
        """The score by which models are compared."""
        return self.runs[0].metrics["val"].headline

    def as_json(self) -> dict[str, Any]:
        """Everything but the runs as a JSON object."""
        return {
            "folder": str(self.folder),
            "folds": len(self.runs),
            "headline": self.headline,
            "scores": {
                split: {name: spread.as_json() for name, spread in named.items()}
                for split, named in self.scores.items()
            },
        }


def train_folds(
    data: str | Path,
    model: str | None = None,
    *,
    out: str | Path | None = None,
    folds: int = 5,
    **asked: Any,
) -> Folds:
    """Train `folds` times on `data`, each time with another part of it for validation.

    `asked` is what `train` takes; a budget is shared by the runs. A second call with the same
    arguments goes on where the first one stopped: runs that are complete are kept. Data that change
    in between are refused.
    """
    wanted = Asked.of({**asked, "model": model})
    refuse_undividable(wanted, folds)
    folder = _claim(data, out, folds, wanted)
    if wanted.budget_seconds is not None:
        asked = {**asked, "budget_seconds": wanted.budget_seconds / folds}
    runs: list[Run] = []
    try:
        for part in range(1, folds + 1):
            path = folder / f"fold-{part}"
            say(f"\nfold {part} of {folds}")
            _refuse_changed(folder, data, wanted)
            if RunFolder(path).facts.is_file():
                runs.append(resume(path))
            else:
                options = {**asked, "fold": f"{part}/{folds}"}
                runs.append(train(data, model, out=path, **options))
    except (Stopped, KeyboardInterrupt) as stopped:
        what = stopped.what if isinstance(stopped, Stopped) else "interrupted"
        raise Stopped(
            f"fold {min(len(runs) + 1, folds)} of {folds}: {what}",
            fix=f"go on with the same command and --out {folder}",
        ) from None
    found = Folds(folder, tuple(runs), spreads(runs))
    write_json(folder / "folds.json", found.as_json())
    return found


def refuse_undividable(wanted: Asked, folds: int) -> None:
    """Raise `UsageError` where what is asked cannot be trained in `folds` parts."""
    if folds < 2:
        raise UsageError(f"there is no cross-validation with {folds} parts", expected="2 or more")
    if wanted.fold is not None:
        raise UsageError("one fold and all folds are asked for", fix="give --fold or --folds")
    if wanted.size_hw == "auto":
        raise UsageError(
            "each fold would choose a picture size of its own",
            fix="give the size with --imgsz, for example 128",
        )
    if started_processes() > 1:
        raise UsageError(
            "several processes cannot cross-validate together",
            fix=f"train one fold after the other: --fold 1/{folds}, --fold 2/{folds}, …",
        )


def spreads(runs: Sequence[Run]) -> dict[str, dict[str, Spread]]:
    """Split -> score -> its spread, for the splits and scores that all of `runs` have."""
    found: dict[str, dict[str, Spread]] = {}
    for split in runs[0].metrics:
        if not all(split in run.metrics for run in runs):
            continue
        overall = [run.metrics[split].overall for run in runs]
        found[split] = {
            name: Spread(tuple(scores[name].value for scores in overall))
            for name in overall[0]
            if all(name in scores for scores in overall)
        }
    return found


def _claim(data: str | Path, out: str | Path | None, folds: int, wanted: Asked) -> Path:
    """The folder, with what was asked in it; refused where it holds something else."""
    question = {
        "data": str(Path(data).resolve()),
        "folds": folds,
        **wanted.model_dump(mode="json", exclude_none=True),
    }
    if wanted.exclude is not None:  # from another folder the same words mean other files
        question["exclude"] = str(Path(wanted.exclude).resolve())
    if wanted.weights is not None:
        question["weights"] = absolute_source(wanted.weights)
    learned_from = _learned_from(data, wanted)  # what cannot be read leaves no folder behind
    if out is None:
        name = f"{Path(data).resolve().name.split('.')[0]}-{folds}-folds"
        folder = claim_run_folder(None, "folds", name).path
    else:
        folder = Path(out)
    if (folder / "asked.json").is_file():
        _refuse_another(folder, question, read_json(folder / "asked.json"))
        return folder
    claim_run_folder(folder, "folds", "")  # refuses what is not empty
    write_json(folder / "asked.json", {**question, _LEARNED_FROM: learned_from})
    return folder


def _learned_from(data: str | Path, wanted: Asked) -> dict[str, str]:
    """Hashes of the data, not yet divided, and of the paths that are left out of them."""
    excluded = () if wanted.exclude is None else parse_exclude_file(wanted.exclude)
    return {
        "data": read_dataset(Path(data)).fingerprint(),
        "excluded": hashlib.sha256("\0".join(sorted(excluded)).encode()).hexdigest(),
    }


def _refuse_changed(folder: Path, data: str | Path, wanted: Asked) -> None:
    now = _learned_from(data, wanted)
    before = read_json(folder / "asked.json")[_LEARNED_FROM]
    if now == before:
        return
    what = data if wanted.exclude is None or now["data"] != before["data"] else wanted.exclude
    raise ArtefactError(
        f"{what} has changed since the cross-validation in {folder} began",
        expected="the same pictures with the same labels, and the same ones left out",
        fix="bring them back as they were, or choose another --out",
    )


def _refuse_another(folder: Path, now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    names = {*now, *before} - {_LEARNED_FROM}
    differing = sorted(name for name in names if now.get(name) != before.get(name))
    if differing:
        name = differing[0]
        raise UsageError(
            f"{folder} is a cross-validation with {name} {before.get(name)!r}, "
            f"not {now.get(name)!r}",
            expected="the same arguments as at its start",
            fix="ask for the same, or choose another --out",
        )
