"""Runs killed with `kill -9` again and again, resumed, and compared with runs left alone.

Every run is killed up to three times (fewer where it ends first): at moments drawn uniformly over
the time that a whole run takes (six tenths of it once it has been resumed), or, every third time,
in the middle of writing a checkpoint.
Checkpoints are written as often as the disk allows, at most twenty a second. Compared are the bytes
of the recognizer's weights, of the last checkpoint (network, optimizer, average) and the scores.
Two runs go on at a time, each with one thread.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import subsets
from record import WORK, prove

RUNS_OF_EACH = 13  # for each case and each number of workers
LANES = 2
KILLS = 3
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Case:
    data: Callable[[], Path]
    options: tuple[str, ...]


CASES = {
    "classification": Case(
        subsets.cifar10,
        ("--model", "quick32", "--model-option", "width=16", "--steps", "24", "--fold", "1/3"),
    ),
    "classification with all that draws": Case(
        subsets.cifar10,
        (
            *("--model", "wrn_40_1", "--model-option", "dropout=0.3", "--steps", "20"),
            *("--optimizer", "adamw", "--accumulate", "2", "--mixup", "0.4", "--cutmix", "1"),
            *("--augment", "randaugment", "--class-weights", "balanced", "--freeze", "1"),
        ),
    ),
    "detection": Case(
        subsets.bccd, ("--model", "ssd_resnet18", "--imgsz", "96x128", "--steps", "20")
    ),
    "segmentation": Case(
        subsets.camvid,
        ("--model", "unet_bn", "--model-option", "width=8", "--imgsz", "96x128", "--steps", "16"),
    ),
}


def command(task: str, workers: int, out: Path) -> list[str]:
    """The command that begins a run."""
    case = CASES[task]
    return [
        *(sys.executable, "-m", "manako", "train", str(case.data()), "--out", str(out)),
        *case.options,
        *("--batch", "8", "--validate-every", "6", "--save-seconds", "0.05"),
        *("--workers", str(workers), "--precision", "bfloat16", "--average", "0.9", "--quiet"),
        *("--threads", "1", "--no-preflight"),
    ]


def folder_of(task: str, workers: int, run: str) -> Path:
    return WORK / "kill" / f"{task.replace(' ', '-')}-{workers}-{run}"


def go_on(begin: list[str], out: Path) -> subprocess.Popen[bytes]:
    """Start the run, or resume it where it has begun."""
    begun = (out / "run.json").exists()
    resume = [sys.executable, "-m", "manako", "resume", str(out), "--quiet"]
    return subprocess.Popen(
        resume if begun else begin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def fingerprint(out: Path) -> dict[str, str]:
    """Hashes of everything that must not depend on kills."""
    last = sorted((out / "checkpoints").glob("step-*"))[-1]
    files = [out / "recognizer" / "model.safetensors", *sorted(last.glob("*.safetensors"))]
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    found["scores"] = json.dumps(scores["scores"], sort_keys=True)
    found["last"] = last.name
    return found


def finish(process: subprocess.Popen[bytes]) -> None:
    _, messages = process.communicate(timeout=PATIENCE_SECONDS)
    if process.returncode != 0:
        sys.exit(f"a run ended with exit code {process.returncode}:\n{messages.decode()}")


def kill_at(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> bool:
    """Kill `process` as soon as `moment` says so; False if it ended before."""
    while process.poll() is None:
        if moment():
            process.kill()
            process.communicate()
            return True
        time.sleep(0.0005)
    finish(process)
    return False


def in_a_save(out: Path, after: float) -> Callable[[], bool]:
    """Whether a checkpoint is being written, `after` seconds from now or later."""
    start = time.monotonic()
    before = set((out / "checkpoints").glob(".tmp-*"))  # what an earlier kill left behind

    def moment() -> bool:
        if time.monotonic() - start <= after:
            return False
        return bool(set((out / "checkpoints").glob(".tmp-*")) - before)

    return moment


def at(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def trial(task: str, workers: int, seed: int, expected: dict[str, str], length: float) -> dict:
    """One run with its kills; whether it ended like the one left alone."""
    chance = random.Random(f"{task}/{workers}/{seed}")
    out = folder_of(task, workers, str(seed))
    shutil.rmtree(out, ignore_errors=True)
    begin = command(task, workers, out)
    kills = kills_in_save = 0
    for number in range(KILLS):
        saving = (seed + number) % 3 == 0
        # A resumed run is shorter than a whole one: later kills must come sooner to come at all.
        delay = chance.uniform(0.0, length if number == 0 else 0.6 * length)
        process = go_on(begin, out)
        moment = in_a_save(out, delay / 2) if saving else at(delay)
        if not kill_at(process, moment):
            break
        kills += 1
        kills_in_save += saving
    finish(go_on(begin, out))
    identical = fingerprint(out) == expected
    shutil.rmtree(out)
    return {"kills": kills, "kills_in_save": kills_in_save, "identical": identical}


def left_alone(task: str, workers: int) -> tuple[dict[str, str], float]:
    """The fingerprint of a run that is never killed, and how many seconds it took."""
    out = folder_of(task, workers, "alone")
    shutil.rmtree(out, ignore_errors=True)
    start = time.monotonic()
    finish(go_on(command(task, workers, out), out))
    return fingerprint(out), time.monotonic() - start


def measure() -> dict[str, object]:
    for case in CASES.values():
        case.data()  # copied once, not by two runs at a time
    settings = [(task, workers) for task in CASES for workers in (0, 2)]
    with ThreadPoolExecutor(LANES) as lanes:
        whole = dict(zip(settings, lanes.map(lambda one: left_alone(*one), settings), strict=True))

        def run(one: tuple[int, tuple[str, int]]) -> dict:
            seed, setting = one
            found = trial(*setting, seed, *whole[setting])
            print(*setting, f"seed={seed}", found, flush=True)
            return found

        plan = [(seed, setting) for seed in range(RUNS_OF_EACH) for setting in settings]
        trials = list(lanes.map(run, plan))
    identical = sum(one["identical"] for one in trials)
    kills = sum(one["kills"] for one in trials)
    return {
        "settings": [f"{task}, {workers} workers" for task, workers in settings],
        "runs": len(trials),
        "kills": kills,
        "kills_while_saving": sum(one["kills_in_save"] for one in trials),
        "identical": identical,
        "reached": identical == len(trials) >= 100 and kills >= 1.5 * len(trials),
    }


if __name__ == "__main__":
    sys.exit(0 if prove("trust-kill", measure)["reached"] else 8)
