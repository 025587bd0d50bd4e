"""Read a file of `torch.save` and write its tensors as safetensors: a program of its own.

    python -I unpickling.py WEIGHTS.pth TENSORS.safetensors

It runs in a process of its own with little memory and time, and where the system can without a
network, because even torch's restricted loader reads a format that was made to run code. It imports
nothing of manako. On stdout it says, as JSON, what is wrong, if anything.
"""

from __future__ import annotations

import ctypes
import json
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

CPU_SECONDS = 300
ROOM_BYTES = 8_000_000_000  # of addresses, not of memory: torch alone maps some gigabytes
ROOM_FILE_BYTES = 10_000_000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Under which names training scripts put the weights beside other things."""


def main(source: str, goal: str) -> None:
    """Convert; what fails is printed, not raised."""
    leave_network()  # before torch, which starts threads
    import torch
    from safetensors.torch import save_file

    size = Path(source).stat().st_size
    limit(4 * size + ROOM_BYTES, 2 * size + ROOM_FILE_BYTES)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
        found = weights(content)
        tensors = {name: tensor.clone().contiguous() for name, tensor in found.items()}
    except MemoryError:
        say("unreadable", "it takes more memory than such a file may")
    except Exception as error:  # whatever a broken or hostile file makes torch raise
        said = str(error).splitlines() or ["no reason given"]
        say("unreadable", f"{type(error).__name__}: {said[0]}")
    else:
        if not tensors:
            say("no weights", type(content).__name__)
            return
        try:
            save_file(tensors, goal)
        except Exception as error:  # safetensors has an error of its own for a full disk
            say("unwritable", str(error))


def weights(content: Any) -> dict[str, Any]:
    """The named tensors of `content`, perhaps one level down; none where it is something else."""
    import torch

    if isinstance(content, Mapping):
        for name in WRAPPERS:
            if isinstance(content.get(name), Mapping):
                content = content[name]
                break
        if all(isinstance(one, torch.Tensor) for one in content.values()):
            return {str(name): tensor for name, tensor in content.items()}
    return {}


def leave_network() -> None:
    """Enter a network of its own, in which there is nothing (Linux, where it is allowed)."""
    with suppress(AttributeError, OSError, TypeError):  # other systems have the limits below
        ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)


def limit(address_bytes: int, file_bytes: int) -> None:
    """No sockets of Python's, and where the system can (POSIX) no more than this and some time."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("no network here")

    socket.socket = refuse  # type: ignore[assignment,misc]
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(problem: str, detail: str) -> None:
    """One JSON object on stdout, which is all that the caller reads."""
    sys.stdout.write(json.dumps({"problem": problem, "detail": detail}))


if __name__ == "__main__":
    main(*sys.argv[1:])
