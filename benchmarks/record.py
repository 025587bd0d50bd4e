"""Results of the proofs as JSON files: one claim, one file, written when it was measured.

A proof whose file is there is not measured again, unless `--again` is given; so a series that was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
WORK = HERE / "work"
SHARED_DATA = Path(os.environ.get("MANAKO_DATA", HERE.parent.parent / "shared" / "data"))


def prove(claim: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `claim`: the recorded one, or what `measure` gives now. Printed either way."""
    path = RESULTS / f"{claim}.json"
    if path.exists() and "--again" not in sys.argv:
        print(f"{claim}: recorded in {path.relative_to(HERE.parent)} (measure anew with --again)")
        result = json.loads(path.read_text(encoding="utf-8"))
    else:
        started = time.monotonic()
        result = {"claim": claim, **measure()}
        result["measured_in_seconds"] = round(time.monotonic() - started, 1)
        result["machine"] = describe_machine()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        path.write_text(text, encoding="utf-8")
    for name, value in result.items():
        if name not in ("claim", "machine"):
            print(f"  {name}: {value}")
    return result


def describe_machine() -> dict[str, str]:
    """Processor, cores and versions that a figure depends on."""
    import torch

    model = "unknown"
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return {
        "processor": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def shared(name: str) -> Path:
    """A data set of the shared folder, or the end of the script with a reason."""
    path = SHARED_DATA / name
    if not path.exists():
        sys.exit(f"{path} is not there; set MANAKO_DATA to the folder with the data sets")
    return path


def manako(*arguments: str) -> dict[str, Any]:
    """Run a verb of the command line with `--json`; what it prints, its messages passed on."""
    command = [sys.executable, "-m", "manako", *arguments, "--json"]
    print("$ " + " ".join(["manako", *arguments]), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def fresh(name: str) -> Path:
    """A path in the work folder where nothing is."""
    path = WORK / name
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
