"""From samples to batches, for training and for evaluation.

A training batch is a pure function of (source, pipeline, order, step): which samples it holds and
what augmentation does to each depend on the seed and the step alone. Neither the number of
workers nor the step at which a run was resumed changes a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from manako.data.decoded import SampleSource
from manako.data.order import batch_at, steps_per_epoch
from manako.data.preparation import Preparation
from manako.data.randomness import uniforms
from manako.data.transforms import Pipeline
from manako.data.workers import Batches, Make, batches_of_workers
from manako.errors import UsageError
from manako.structures import Batch, Frame, Sample

__all__ = ["Order", "SampleSource", "evaluation_batches", "training_batches"]


@dataclass(frozen=True)
class Order:
    """Which samples each step sees: `seed` and `batch_size` decide it."""

    seed: int
    batch_size: int


def training_batches(
    source: SampleSource,
    pipeline: Pipeline,
    *,
    order: Order,
    steps: range,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> Batches:
    """The augmented batches of the given steps, counted over all epochs.

    Of `world` processes, the one of number `rank` gets every `world`-th picture of each batch;
    together they get the batch. Frames are those of the network's input itself.

    Errors: DataError for less than two samples, UsageError for numbers that do not fit together;
    while iterating, what a sample or worker raises (see `batches_of_workers`).
    """
    steps_of_epoch = steps_per_epoch(len(source), order.batch_size)
    if not 0 <= rank < world:
        raise UsageError(f"there is no process {rank} of {world}", expected="0 <= rank < world")
    if len(source) // steps_of_epoch < world:
        raise UsageError(
            f"batches of {len(source) // steps_of_epoch} cannot be shared by {world} processes",
            fix=f"use a batch size of at least {world}",
        )
    return _batches(_TrainingBatch(source, pipeline, order, rank, world), steps, workers)


def evaluation_batches(
    source: SampleSource, preparation: Preparation, *, batch_size: int, workers: int = 0
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
    order: Order
    rank: int
    world: int

    def __call__(self, step: int) -> Batch:
        seed, batch_size = self.order.seed, self.order.batch_size
        epoch, indices = batch_at(seed, step, len(self.source), batch_size)
        mine = indices[self.rank :: self.world]
        numbers = uniforms(seed, epoch, mine, self.pipeline.draws)
        samples = [
            self.pipeline(self.source[index], row)
            for index, row in zip(mine.tolist(), numbers.tolist(), strict=True)
        ]
        size_hw = samples[0].size_hw
        return Batch(
            images=_stacked(samples),
            targets=tuple(sample.target for sample in samples),
            frames=(Frame(size_hw, size_hw, size_hw),) * len(samples),
            names=tuple(sample.name for sample in samples),
        )


@dataclass(frozen=True)
class _EvaluationBatch:
    source: SampleSource
    preparation: Preparation
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
    shape = samples[0].image.shape
    for sample in samples:
        if sample.image.shape != shape:
            raise UsageError(
                f"{sample.name} and {samples[0].name} have shapes {tuple(sample.image.shape)} and "
                f"{tuple(shape)}, and cannot be one batch",
                fix="let the transforms end in one size",
            )
    return torch.stack([sample.image for sample in samples])
