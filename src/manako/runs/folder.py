"""The folder of a run: made once, held by one process, never overwritten."""

from __future__ import annotations

import itertools
import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manako.errors import ArtefactError, ResourceError, UsageError
from manako.storage.files import expect_place, write_text_atomic
from manako.storage.locks import LOCK


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run's folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.yaml"

    @property
    def facts(self) -> Path:
        """What the data were when the run began."""
        return self.path / "run.json"

    @property
    def environment(self) -> Path:
        """Versions and machine."""
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """Losses and validation scores."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States to resume from."""
        return self.path / "checkpoints"

    @property
    def recognizer(self) -> Path:
        """The product."""
        return self.path / "recognizer"

    @property
    def scores(self) -> Path:
        """The final scores; a run that has them is complete."""
        return self.path / "scores.json"

    @property
    def predictions(self) -> Path:
        """Predictions for the test pictures."""
        return self.path / "predictions.csv"

    @property
    def report(self) -> Path:
        """Everything for people."""
        return self.path / "report.html"

    @property
    def complete(self) -> bool:
        """Whether the run ended."""
        return self.scores.exists()


def claim_run_folder(out: Path | None, task: str, name: str) -> RunFolder:
    """A folder at `out`, or under `runs/<task>/` with a number where `name` is taken.

    A folder in which a run was killed before it began is taken again. Of two runs that claim one at
    a time, the lock that they need next decides.
    """
    if out is not None:
        refuse_begun(out)
        _make(out)
        return RunFolder(out)
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    for number in itertools.count(1):
        path = Path("runs") / task / (stem if number == 1 else f"{stem}-{number}")
        if not path.exists():
            break
    _make(path)
    return RunFolder(path)


def refuse_begun(path: Path) -> None:
    """Refuse a path where there is anything but the shell of a run that never began."""
    expect_place(path)
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file", expected="a new folder", fix="choose another --out")
    if RunFolder(path).facts.exists():
        raise UsageError(
            f"the run folder {path} exists",
            expected="a new folder",
            fix=f"go on with it: manako resume {path}; or choose another --out",
        )
    if not _is_shell(path):
        raise UsageError(
            f"the folder {path} is not empty", expected="a new folder", fix="choose another --out"
        )


def _is_shell(path: Path) -> bool:
    """Whether a folder holds only what a run writes before `run.json`, with which it begins.

    Settings without the lock of a run are somebody's own.
    """
    shown = {one.name for one in path.iterdir() if not one.name.startswith(".")}
    return not shown or (shown <= {"config.yaml", "environment.json"} and (path / LOCK).is_file())


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            f"cannot make the run folder {path}: {error.strerror or error}",
            fix="give another place with --out",
        ) from error


def existing_run_folder(path: Path) -> RunFolder:
    """The run in `path`, refused if there is none."""
    folder = RunFolder(path)
    if not folder.config.is_file() or not folder.facts.is_file():
        raise UsageError(
            f"{path} is not the folder of a run",
            expected="a folder with config.yaml and run.json, as manako train makes it",
        )
    return folder


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` to `path`, whole or not at all."""
    write_text_atomic(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; an `ArtefactError` if it is anything else."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} cannot be read: {error}", fix="train anew") from error
    if not isinstance(loaded, dict):
        raise ArtefactError(f"{path} is damaged", expected="a JSON object", fix="train anew")
    return loaded


def describe_environment() -> dict[str, str]:
    """Versions and machine, as text; no user name, no host name."""
    import numpy
    import PIL
    import torch
    import torchvision

    import manako

    return {
        "manako": manako.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
