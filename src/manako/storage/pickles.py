"""Weights from a `.pth` file without opening it in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from manako.errors import ArtefactError, ResourceError
from manako.storage import unpickling

SECONDS = 600
NEEDED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # to start Python and torch


def convert_pickle(source: Path, goal: Path) -> None:
    """Write the tensors that `torch.save` put into `source` to the safetensors file `goal`.

    Another process reads it, with torch's restricted loader, limited memory, time and file sizes,
    nothing of the environment, and where the system can without a network. Errors: ArtefactError
    where the file cannot be read, holds anything but tensors, or takes more than it may;
    ResourceError where `goal` cannot be written.
    """
    command = [
        *(sys.executable, "-I", str(Path(unpickling.__file__).absolute())),
        *(str(source.absolute()), str(goal.absolute())),
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            cwd=goal.parent,
            env={name: os.environ[name] for name in NEEDED if name in os.environ},
        )
    except subprocess.TimeoutExpired:
        raise _refused(source, f"reading it took more than {SECONDS} s") from None
    if done.stdout:
        said = json.loads(done.stdout)
        if said["problem"] == "unwritable":
            raise ResourceError(f"{goal} cannot be written: {said['detail']}")
        if said["problem"] == "no weights":
            raise _refused(source, f"it holds a {said['detail']}, not named tensors")
        raise _refused(source, said["detail"])
    if done.returncode != 0 or not goal.is_file():
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise _refused(source, last[0] if last else f"its reader ended with {done.returncode}")


def _refused(source: Path, why: str) -> ArtefactError:
    return ArtefactError(
        f"{source} cannot be read: {why}",
        expected="a file that torch.save made of named tensors (a state dict)",
        fix="save the weights as safetensors where you trust their origin",
    )
