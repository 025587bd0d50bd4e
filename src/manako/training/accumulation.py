"""A batch computed in parts: the same gradient in less memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from manako.structures import Batch
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


def divisor_of_parts(weights: Sequence[float], processes: Processes) -> float:
    """What the gradient of the parts, each times its `factor_of_part`, is divided by.

    Then it is that of the whole batch: losses are means over what their task counts (pictures,
    known pixels, anchors of objects), so a part counts by its `Task.weight`. Of several processes
    each has a share of the batch, and their gradients are averaged.
    """
    mean = processes.mean(math.fsum(weights))
    return mean if mean > 0 else 1 / processes.world


def factor_of_part(weight: float) -> float:
    """What a part's mean loss is multiplied by to become a sum."""
    return weight if weight > 0 else 1.0


def without_exchange(network: nn.Module, last: bool) -> AbstractContextManager[None]:
    """For all parts but the last: keep gradients here, do not yet average them over processes."""
    if last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()
