"""Which arithmetic, on which device, with how many threads; decided once and kept on resume."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from manako.config.settings import Precision
from manako.data.memory import keep_freed_memory
from manako.errors import UsageError

_WORTH_IT = 1.2  # bfloat16 must be this much faster; it costs digits


def choose_device(asked: str | None) -> str:
    """`asked` if this machine has it; without a wish the first accelerator, else the CPU."""
    if asked in (None, "auto"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(
            f"{asked!r} is no device that manako works on",
            expected="auto, cpu, cuda, or for example cuda:0",
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device {asked!r} was asked for, but torch finds no CUDA device here",
            fix="use --device cpu",
        )
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            f"device {asked!r} was asked for, but there are {count} CUDA devices here",
            expected=f"cuda:0 to cuda:{count - 1}",
        )
    return str(device)


def choose_precision(device: str, threads: int) -> tuple[Precision, str]:
    """The faster of float32 and bfloat16 for a convolution on `device`, and why.

    Measured with `threads` threads, because processors that lack bfloat16 instructions emulate them
    slowly.
    """
    before_threads = torch.get_num_threads()
    with torch.random.fork_rng():  # a layer draws its weights, which here do not matter
        torch.set_num_threads(threads)
        try:
            full = _convolution_seconds(device, torch.float32)
            half = _convolution_seconds(device, torch.bfloat16)
        finally:
            torch.set_num_threads(before_threads)
    if full / half >= _WORTH_IT:
        return "bfloat16", f"measured {full / half:.1f}x as fast as float32"
    return "float32", f"measured: bfloat16 is {full / half:.1f}x as fast"


def _convolution_seconds(device: str, dtype: torch.dtype) -> float:
    """The best of a few forward and backward passes, in seconds."""
    layer = nn.Conv2d(64, 64, 3, padding=1, bias=False).to(device, dtype)
    layer = layer.to(memory_format=torch.channels_last)
    images = torch.ones(8, 64, 28, 28, device=device, dtype=dtype, requires_grad=True)
    images = images.contiguous(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        torch.autograd.backward(layer(images).sum())
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


@contextmanager
def exact_arithmetic(threads: int) -> Iterator[None]:
    """Deterministic algorithms, `threads` threads and a private random state, restored at the end.

    The number of threads decides how sums are cut, and so the last bits of every result. From here
    on the process keeps the memory that it frees; see `keep_freed_memory`.
    """
    keep_freed_memory()
    before_threads = torch.get_num_threads()
    before_exact = torch.are_deterministic_algorithms_enabled()
    before_warn = torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic: Any = torch.utils.deterministic  # a module whose attribute is a switch
    before_fill = deterministic.fill_uninitialized_memory
    with torch.random.fork_rng():
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        # Filling all new memory finds reads of what was never written, at twice the time of a step.
        deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            deterministic.fill_uninitialized_memory = before_fill
            torch.use_deterministic_algorithms(before_exact, warn_only=before_warn)
            torch.set_num_threads(before_threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run with torch's generators seeded; their state before is restored at the end."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def seed_step(seed: int, step: int, part: int = 0) -> None:
    """Make what layers draw (dropout) a function of the seed, the step and the part of its batch.

    Steps and parts are told apart as long as a run has less than 2^31 of the one.
    """
    torch.manual_seed((seed * 1_000_003 + step + (part << 31)) % 2**63)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """The context of the forward pass: matrix products in bfloat16, or nothing changed."""
    return torch.autocast(
        torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bfloat16"
    )
