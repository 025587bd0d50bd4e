"""Read a file of `torch.save` and write its tensors as safetensors: a program of its own.

    python -I unpickling.py WEIGHTS.pth TENSORS.safetensors

It runs in a process of its own with little memory, time and no network, because even torch's
restricted loader reads a format that was made to run code. It imports nothing of manako. On
stdout it says, as JSON, what is wrong, if anything.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

CPU_SECONDS = 300
ROOM_BYTES = 8_000_000_000  # of addresses, not of memory: torch alone maps some gigabytes
WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Under which names training scripts put the weights beside other things."""


def main(source: str, goal: str) -> None:
    """Convert; what fails is printed, not raised."""
    import torch
    from safetensors.torch import save_file

    limit(4 * Path(source).stat().st_size + ROOM_BYTES)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or hostile file makes torch raise
        say("unreadable", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        return
    found = weights(content)
    if not found:
        say("no weights", type(content).__name__)
        return
    save_file({name: tensor.clone().contiguous() for name, tensor in found.items()}, goal)


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


def limit(address_bytes: int) -> None:
    """No network, and where the system can (POSIX) no more than this memory and time."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("no network here")

    socket.socket = refuse  # type: ignore[assignment,misc]
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(problem: str, detail: str) -> None:
    """One JSON object on stdout, which is all that the caller reads."""
    sys.stdout.write(json.dumps({"problem": problem, "detail": detail}))


if __name__ == "__main__":
    main(*sys.argv[1:])
