"""Checkpoints: complete, hashed, on disk before the older one goes.

    checkpoints/step-00000400/   model, optimizer and average as safetensors, state.json, MANIFEST
    checkpoints/best/            the network with the best validation score so far

A folder appears under its name only when all of it is on disk and reads back with the right hashes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from manako.console.messages import warn
from manako.errors import ArtefactError, NumericError, ResourceError
from manako.storage import replace_folder, save_folder, sweep_leftovers, verify_folder
from manako.storage.durability import disk_errors
from manako.storage.temporary import temporary_path
from manako.storage.tensors import load_tensors, save_tensors
from manako.training.distribution import Processes
from manako.training.state import TrainingState, first_nonfinite

_KEPT = 2
_STATE = "state.json"


class Checkpoints:
    """The checkpoints of one run, in `folder`; used by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._failed: ResourceError | None = None
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sweep_leftovers(folder)

    def save(self, state: TrainingState, *, forgive: bool = True) -> None:
        """Put `state` on disk, then drop the oldest beyond two.

        With `forgive` the first failure to write is only reported; the second in a row, or the
        first without, raises `ResourceError` and names the checkpoint that is still good. A state
        with a value that is not finite is refused with `NumericError`.
        """
        target = self.folder / f"step-{state.progress.step:08d}"
        poisoned = state.nonfinite()
        if poisoned is not None:
            raise NumericError(
                f"{poisoned} is not finite after step {state.progress.step}; nothing was saved",
                fix=f"{self._still_good()}; train with a smaller learning rate",
            )
        try:
            with disk_errors(target):
                if target.exists():
                    return
                save_folder(target, lambda into: _write(state, into))
        except ResourceError as error:
            if self._failed is not None or not forgive:
                raise ResourceError(
                    f"could not save step {state.progress.step}: {error.what}",
                    expected=error.expected,
                    fix=f"make room, then resume; {self._still_good()}",
                ) from error
            self._failed = error
            warn(f"could not save step {state.progress.step}: {error.what}; will try once more")
            return
        self._failed = None
        self._drop_old()

    def _drop_old(self) -> None:
        """Remove all but the newest two; one that cannot be removed takes room, no more."""
        try:
            with disk_errors(self.folder):
                for old in self._steps()[:-_KEPT]:
                    _remove(old)
        except ResourceError as error:
            warn(f"an old checkpoint could not be removed: {error.what}")

    def load_newest(self, state: TrainingState, processes: Processes | None = None) -> Path | None:
        """Give `state` the newest checkpoint that is whole; damaged ones are set aside and named.

        The first of several processes looks for it, all load the same. None where there is no
        checkpoint at all; an `ArtefactError` where all are damaged.
        """
        found = (processes or Processes()).by_first(self._newest_whole)
        if found is not None:
            state.restore(*_read(found))
        return found

    def _newest_whole(self) -> Path | None:
        damaged = 0
        for folder in reversed(self._steps()):
            try:
                verify_folder(folder)
            except ArtefactError as error:
                aside = _free(folder.with_name(f"damaged-{folder.name}"))
                folder.rename(aside)
                warn(f"{error.what}; kept as {aside.name}, trying the one before")
                damaged += 1
                continue
            return folder
        if damaged:
            raise ArtefactError(
                f"all {damaged} checkpoints in {self.folder} are damaged",
                fix="train anew into another folder",
            )
        return None

    def save_best(self, model: nn.Module) -> None:
        """Keep the weights of `model` as the best so far; refused if one is not finite."""
        weights = model.state_dict()
        poisoned = first_nonfinite(weights)
        if poisoned is not None:
            raise NumericError(
                f"{poisoned} of the best network is not finite; it was not saved",
                fix=f"{self._still_good()}; train with a smaller learning rate",
            )
        try:
            replace_folder(
                self.folder / "best",
                lambda into: save_tensors(into / "model.safetensors", weights),
            )
        except ResourceError as error:
            raise ResourceError(
                f"could not save the best network: {error.what}",
                expected=error.expected,
                fix=f"make room, then resume; {self._still_good()}",
            ) from error

    def load_best(self) -> dict[str, Tensor]:
        """The weights that `save_best` kept last."""
        best = self.folder / "best"
        verify_folder(best)
        return load_tensors(best / "model.safetensors")

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def _still_good(self) -> str:
        kept = self._steps()
        return f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"


def _write(state: TrainingState, into: Path) -> None:
    for stem, tensors in state.tensors().items():
        save_tensors(into / f"{stem}.safetensors", tensors)
    (into / _STATE).write_text(json.dumps(state.numbers(), allow_nan=False), encoding="utf-8")


def _read(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    tensors = {path.stem: load_tensors(path) for path in folder.glob("*.safetensors")}
    return tensors, json.loads((folder / _STATE).read_text(encoding="utf-8"))


def _free(path: Path) -> Path:
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.name.partition('~')[0]}~{number}")
    return path


def _remove(folder: Path) -> None:
    """Remove a checkpoint; a kill half-way leaves no torn one under a checkpoint's name."""
    aside = temporary_path(folder)
    folder.rename(aside)
    shutil.rmtree(aside)
