"""A batch computed in parts: the same gradient in less memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from manako.structures import Batch
from manako.tasks import Task
from manako.training.distribution import Processes


def parts_of_batch(batch: Batch, parts: int, least: int = 1) -> list[Batch]:
    """`batch` cut into `parts`, in order; fewer where a part would have less than `least` pictures.

    Sizes differ by one at most, the larger first.
    """
    parts = max(1, min(parts, len(batch) // least))
    if parts == 1:
        return [batch]
    size, larger = divmod(len(batch), parts)
    ends = [number * size + min(number, larger) for number in range(parts + 1)]
    return [
        Batch(
            images=batch.images[start:end],
            targets=batch.targets[start:end],
            frames=batch.frames[start:end],
            names=batch.names[start:end],
        )
        for start, end in itertools.pairwise(ends)
    ]


def shares_of_parts(batches: Sequence[Batch], task: Task, processes: Processes) -> list[float]:
    """The factors with which the parts' mean losses add up to the mean over the whole batch.

    Losses are means over what their task counts (pictures, known pixels), so a part counts by its
    `Task.weight`: of the parts of one process, and of several processes, whose gradients are
    averaged. For detection, where the weight is the number of objects and the loss a mean over
    their anchors, this is very nearly and not exactly the whole batch's.
    """
    if processes.world == 1 and len(batches) == 1:
        return [1.0]
    weights = [task.weight(batch.targets) for batch in batches]
    mean = processes.mean(math.fsum(weights))
    if mean <= 0:
        return [1 / len(batches)] * len(batches)
    return [weight / mean for weight in weights]


def without_exchange(network: nn.Module, last: bool) -> AbstractContextManager[None]:
    """For all parts but the last: keep gradients here, do not yet average them over processes."""
    if last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()
