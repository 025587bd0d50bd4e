"""Every system call of one save fails, or is the process's last: the newest checkpoint still loads.

A process that holds two checkpoints writes a third one (and a new best network) under strace, which
makes one system call fail, or kills the process on entering it; then the next call, and so on
through all of them. Afterwards the folder is opened as `manako resume` opens it. The newest
checkpoint that the process had acknowledged must load (or the one it was writing, where that was
whole already) with the tensors that were put into it, and so must the best network.

Needs Linux and strace, and the right to trace one's own processes.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from record import WORK, prove
from torch import nn

from manako.config.settings import Settings
from manako.errors import ManakoError
from manako.training.checkpoints import Checkpoints
from manako.training.state import TrainingState

BEGIN, END = "/save-begins", "/save-ends"  # looked up, never there: marks in the trace
FAULTS = ("SIGKILL", "EIO", "ENOSPC")
PATIENCE_SECONDS = 20
CLEAN, ACKNOWLEDGED, UNCLEAN = 10, 11, 12
DISK_CALLS = frozenset(
    {
        *("open", "openat", "creat", "mkdir", "mkdirat", "write", "pwrite64", "writev"),
        *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "symlink"),
        *("ftruncate", "fallocate", "close"),
    }
)
"""Calls for which a full disk is an answer that Linux gives."""


def state_at(step: int) -> TrainingState:
    """A small training state whose tensors all hold `step`."""
    settings = Settings(
        data="none", task="classification", model="none", size_hw=(8, 8), batch=2, steps=9,
        validate_every=9, lr=0.1, average_decay=0.9,
    )  # fmt: skip
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 10))
    state = TrainingState(model, settings)
    with torch.no_grad():
        for tensors in state.tensors().values():
            for one in tensors.values():
                one.fill_(step)
    state.progress.step = step
    return state


@dataclass(frozen=True)
class Save:
    """One kind of save: what is there before, what is written, and what must be there after."""

    name: str
    write: Callable[[Path], None]
    loaded: Callable[[Path], int]

    def prepare(self, folder: Path) -> None:
        """Checkpoints of steps 1 and 2, and the best network of step 2."""
        shutil.rmtree(folder, ignore_errors=True)
        checkpoints = Checkpoints(folder)
        for step in (1, 2):
            checkpoints.save(state_at(step), forgive=False)
        checkpoints.save_best(state_at(2).model)


def write_step(folder: Path) -> None:
    Checkpoints(folder).save(state_at(3), forgive=False)


def write_best(folder: Path) -> None:
    Checkpoints(folder).save_best(state_at(3).model)


def loaded_step(folder: Path) -> int:
    """The step of the newest checkpoint; -1 if a tensor in it is not of that step."""
    state = state_at(0)
    Checkpoints(folder).load_newest(state)
    step = state.progress.step
    tensors = [one for named in state.tensors().values() for one in named.values()]
    return step if all(bool((one == step).all()) for one in tensors) else -1


def loaded_best(folder: Path) -> int:
    weights = list(Checkpoints(folder).load_best().values())
    step = int(weights[0].flatten()[0])
    return step if all(bool((one == step).all()) for one in weights) else -1


SAVES = (
    Save("checkpoint", write_step, loaded_step),
    Save("best network", write_best, loaded_best),
)


def start(save: Save, folder: Path) -> tuple[int, int]:
    """A process that writes once told to: its number and the pipe to tell it."""
    read, write = os.pipe()
    is_ready, ready = os.pipe()
    child = os.fork()
    if child:
        os.close(read)
        os.close(ready)
        os.read(is_ready, 1)
        os.close(is_ready)
        return child, write
    status = UNCLEAN  # whatever else may be raised: the process ends here, never in the caller
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(ready, b".")
        os.read(read, 1)
        Path(BEGIN).exists()
        save.write(folder)
        status = ACKNOWLEDGED
        Path(END).exists()
    except ManakoError:
        status = CLEAN
    finally:
        os._exit(status)


def traced(save: Save, folder: Path, fault: list[str], log: Path) -> int:
    """Run `save` under strace; the exit status of the process, negative if a signal ended it."""
    child, go = start(save, folder)
    command = ["strace", "-f", "-qq", "-o", str(log), *fault, "-p", str(child)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{child}/status").read_text("utf-8"):
        if time.monotonic() > deadline or tracer.poll() is not None:
            sys.exit("strace could not attach (is it installed, and tracing allowed?)")
        time.sleep(0.001)
    os.write(go, b".")
    os.close(go)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, 9)
        time.sleep(0.001)
    tracer.wait()
    return os.waitstatus_to_exitcode(status)


def calls_of(save: Save, folder: Path) -> list[tuple[str, int]]:
    """Name and number (from the attachment on, among its namesakes) of each call of the save."""
    save.prepare(folder)
    log = folder.with_suffix(".trace")
    if traced(save, folder, [], log) != ACKNOWLEDGED:
        sys.exit("a save that nobody disturbs did not succeed")
    seen: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    inside = False
    for line in log.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
        if match is None or "resumed" in line[: match.end()]:
            continue
        seen[match[1]] += 1
        if END in line:
            return found
        if inside:
            found.append((match[1], seen[match[1]]))
        inside = inside or BEGIN in line
    sys.exit(f"no trace of a whole save in {log}")


def trial(save: Save, folder: Path, call: str, number: int, fault: str) -> dict[str, object]:
    """One save with one fault: how the process ended, and whether what must load does load."""
    save.prepare(folder)
    what = "signal=SIGKILL" if fault == "SIGKILL" else f"error={fault}"
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}"]
    ended = traced(save, folder, inject, folder.with_suffix(".trace"))
    least = 3 if ended == ACKNOWLEDGED else 2
    try:
        loaded = save.loaded(folder)
    except (ManakoError, OSError) as error:
        return {"ended": ended, "good": False, "why": f"{call} {number} {fault}: {error}"}
    good = loaded in (least, 3)
    return {"ended": ended, "good": good, "why": f"{call} {number} {fault}: loaded {loaded}"}


def measure() -> dict[str, object]:
    torch.set_num_threads(1)  # a process with threads is not to be forked
    folder = WORK / "crashpoints"
    folder.parent.mkdir(parents=True, exist_ok=True)
    result: dict[str, object] = {}
    failures: list[str] = []
    trials = 0
    endings: Counter[str] = Counter()
    unclean: Counter[str] = Counter()
    for save in SAVES:
        calls = calls_of(save, folder)
        kinds = len({name for name, _ in calls})
        result[save.name] = {"system_calls": len(calls), "kinds": kinds}
        print(f"{save.name}: {len(calls)} system calls of {kinds} kinds", flush=True)
        for name, number in calls:
            for fault in FAULTS:
                if fault == errno.errorcode[errno.ENOSPC] and name not in DISK_CALLS:
                    continue
                one = trial(save, folder, name, number, fault)
                trials += 1
                endings[describe(int(str(one["ended"])))] += 1
                if one["ended"] == UNCLEAN:
                    unclean[f"{name} {fault}"] += 1
                if not one["good"]:
                    failures.append(f"{save.name}: {one['why']}")
                    print(failures[-1], flush=True)
    return {
        **result,
        "faults": trials,
        "endings": dict(endings),
        "other_errors": dict(unclean),
        "newest_loads": trials - len(failures),
        "failures": failures,
        "reached": not failures and trials > 300,
    }


def describe(ended: int) -> str:
    """How a process ended, in words."""
    if ended < 0:
        return "killed"
    named = {CLEAN: "clean error", ACKNOWLEDGED: "saved", UNCLEAN: "other error"}
    return named.get(ended, f"exit status {ended}")


if __name__ == "__main__":
    sys.exit(0 if prove("trust-crashpoints", measure)["reached"] else 8)
