"""One process or many: the same code, told apart by what `torchrun` puts into the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from manako.errors import ManakoError, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The place of this process among `world` that train one network together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model`, its gradients averaged over all processes in every backward pass."""
        return model if self.world == 1 else DistributedDataParallel(model)

    def share(self, value: T) -> T:
        """The first process's `value`, in every process. Waits for all."""
        if self.world == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def by_first(self, work: Callable[[], T]) -> T:
        """What `work` returns in the first process, in every process; what it refuses likewise."""
        if self.world == 1:
            return work()
        found: T | ManakoError | None = None
        if self.first:
            try:
                found = work()
            except ManakoError as error:
                found = error
        found = self.share(found)
        if isinstance(found, ManakoError):
            raise found
        return found  # type: ignore[return-value]  # the first process's

    def any(self, flag: bool) -> bool:
        """Whether `flag` holds in any process. Waits for all."""
        if self.world == 1:
            return flag
        held = torch.tensor(int(flag))
        distributed.all_reduce(held, op=distributed.ReduceOp.MAX)
        return bool(held)

    def mean(self, value: float) -> float:
        """The mean of `value` over the processes. Waits for all."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(total)
        return float(total) / self.world


def started_processes() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this is the first of the processes that `torchrun` started, joined yet or not."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """The processes that `torchrun` started, joined by gloo on CPUs and NCCL on GPUs; else one.

    What is not a gradient (flags, names, measured times) always travels over gloo.
    """
    world = started_processes()
    if world == 1:
        yield Processes()
        return
    if device.startswith("cuda"):
        if device != "cuda":
            raise UsageError(
                f"{world} processes cannot share {device}",
                fix="use --device cuda: each process takes a device of its own",
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
