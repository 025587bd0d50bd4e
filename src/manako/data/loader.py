"""From samples to batches, for training and for evaluation.

A training batch is a pure function of (source, pipeline, order, step): which samples it holds and
what augmentation does to each depend on the seed and the step alone. Neither the number of
workers nor the step at which a run was resumed changes a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manako.data.decoded import SampleSource
from manako.data.order import batch_at, steps_per_epoch
from manako.data.preparation import Preparation
from manako.data.randomness import Draws, uniforms
from manako.data.signals.preparation import SignalPreparation
from manako.data.transforms import Mixing, Pipeline
from manako.data.workers import Batches, Make, batches_of_workers
from manako.errors import UsageError
from manako.structures import Batch, Frame, Sample

AnyPreparation = Preparation | SignalPreparation

__all__ = ["Order", "SampleSource", "evaluation_batches", "training_batches"]


@dataclass(frozen=True)
class Order:
    """Which samples each step sees: `seed` and `batch_size` decide it.

    Of `world` processes, the one of number `rank` sees every `world`-th picture of each batch;
    together they see the batch.
    """

    seed: int
    batch_size: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(
                f"there is no process {self.rank} of {self.world}", expected="0 <= rank < world"
            )


def training_batches(
    source: SampleSource,
    pipeline: Pipeline,
    *,
    order: Order,
    steps: range,
    mixing: Mixing | None = None,
    workers: int = 0,
) -> Batches:
    """The augmented batches of the given steps, counted over all epochs.

    By `mixing`, each picture is mixed with the one before it in the whole batch (the first with
    the last), each augmented by itself first; every sample is loaded once all the same. Frames
    are those of the network's input itself.

    Errors: DataError for less than two samples, UsageError for numbers that do not fit together;
    while iterating, what a sample or worker raises (see `batches_of_workers`).
    """
    steps_of_epoch = steps_per_epoch(len(source), order.batch_size)
    smallest = len(source) // steps_of_epoch
    if smallest < order.world:
        raise UsageError(
            f"batches of {smallest} cannot be shared by {order.world} processes",
            fix=f"use a batch size of at least {order.world}",
        )
    return _batches(_TrainingBatch(source, pipeline, mixing, order), steps, workers)


def evaluation_batches(
    source: SampleSource, preparation: AnyPreparation, *, batch_size: int, workers: int = 0
) -> Batches:
    """All samples in order, prepared, `batch_size` at a time.

    The images are input of the network; the targets stay in pixels of the original pictures,
    where predictions are compared with them, and the frames lead there.
    """
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} cannot be used", expected="1 or more")
    steps = range(-(-len(source) // batch_size))
    return _batches(_EvaluationBatch(source, preparation, batch_size), steps, workers)


def _batches(make: Make, steps: range, workers: int) -> Batches:
    if workers < 0:
        raise UsageError(f"{workers} workers cannot be used", expected="0 or more")
    workers = min(workers, len(steps))
    return batches_of_workers(make, steps, workers) if workers else _batches_made_here(make, steps)


def _batches_made_here(make: Make, steps: Iterable[int]) -> Batches:
    for step in steps:
        yield make(step)


@dataclass(frozen=True)
class _TrainingBatch:
    source: SampleSource
    pipeline: Pipeline
    mixing: Mixing | None
    order: Order

    def __call__(self, step: int) -> Batch:
        order = self.order
        epoch, indices = batch_at(order.seed, step, len(self.source), order.batch_size)
        mine = indices[order.rank :: order.world]
        if self.mixing is None:
            samples = self._augmented(epoch, mine)
        else:
            before = np.roll(indices, 1)[order.rank :: order.world]
            samples = self._mixed(self.mixing, epoch, mine, before)
        size_hw = samples[0].size_hw
        return Batch(
            images=_stacked(samples),
            targets=tuple(sample.target for sample in samples),
            frames=(Frame(size_hw, size_hw, size_hw),) * len(samples),
            names=tuple(sample.name for sample in samples),
        )

    def _augmented(self, epoch: int, indices: NDArray[np.int64]) -> list[Sample]:
        numbers = self.pipeline.numbers(self.order.seed, epoch, indices)
        return [
            self.pipeline(self.source[index], row)
            for index, row in zip(indices.tolist(), numbers.tolist(), strict=True)
        ]

    def _mixed(
        self, mixing: Mixing, epoch: int, mine: NDArray[np.int64], before: NDArray[np.int64]
    ) -> list[Sample]:
        needed = np.union1d(mine, before)
        samples = self._augmented(epoch, needed)
        _check_shapes(samples)
        by_index = dict(zip(needed.tolist(), samples, strict=True))
        numbers = uniforms(self.order.seed, epoch, mine, mixing.draws, "mixing")
        return [
            mixing(by_index[index], by_index[other], Draws(row))
            for index, other, row in zip(
                mine.tolist(), before.tolist(), numbers.tolist(), strict=True
            )
        ]


@dataclass(frozen=True)
class _EvaluationBatch:
    source: SampleSource
    preparation: AnyPreparation
    batch_size: int

    def __call__(self, step: int) -> Batch:
        first = step * self.batch_size
        originals = [
            self.source[index]
            for index in range(first, min(first + self.batch_size, len(self.source)))
        ]
        # The truth stays behind: it is compared at the original picture's size.
        prepared = [
            self.preparation.prepare_sample(Sample(one.image, None, one.name)) for one in originals
        ]
        return Batch(
            images=_stacked([sample for sample, _ in prepared]),
            targets=tuple(original.target for original in originals),
            frames=tuple(frame for _, frame in prepared),
            names=tuple(original.name for original in originals),
        )


def _stacked(samples: Sequence[Sample]) -> Tensor:
    _check_shapes(samples)
    if samples[0].image.dtype != torch.uint8:
        return torch.stack([sample.image for sample in samples])
    # Channels last, as decoded pictures lie and networks take them.
    interleaved = torch.stack([sample.image.permute(1, 2, 0) for sample in samples])
    return interleaved.permute(0, 3, 1, 2)


def _check_shapes(samples: Sequence[Sample]) -> None:
    shape = samples[0].image.shape
    for sample in samples:
        if sample.image.shape != shape:
            raise UsageError(
                f"{sample.name} and {samples[0].name} have shapes {tuple(sample.image.shape)} and "
                f"{tuple(shape)}, and cannot be one batch",
                fix="let the transforms end in one size",
            )
