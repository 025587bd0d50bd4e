"""The loop. To train otherwise, copy `fit` and use the same parts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from manako.config.settings import Precision, Settings
from manako.console.progress import track
from manako.data.loader import AnyPreparation, Order, SampleSource, training_batches
from manako.data.order import steps_per_epoch
from manako.data.transforms import Mixing, Pipeline
from manako.data.workers import Batches
from manako.errors import NumericError, Stopped
from manako.structures import Batch, Scores
from manako.tasks import Task
from manako.training.accumulation import (
    divisor_of_parts,
    factor_of_part,
    parts_of_batch,
    without_exchange,
)
from manako.training.checkpoints import Checkpoints
from manako.training.distribution import Processes
from manako.training.freezing import begin_learning, needs_pairs
from manako.training.journal import Journal
from manako.training.optimizers import set_learning_rate
from manako.training.precision import autocast, seed_step
from manako.training.schedule import learning_rate
from manako.training.signals import StopRequest
from manako.training.state import TrainingState

_ROWS = 100  # about so many rows of training loss in a journal


@dataclass(frozen=True)
class Parts:
    """What a run is made of; nothing here changes while it runs."""

    settings: Settings
    task: Task
    source: SampleSource
    pipeline: Pipeline
    preparation: AnyPreparation
    validate: Callable[[nn.Module], Scores]
    checkpoints: Checkpoints
    journal: Journal
    processes: Processes
    mixing: Mixing | None = None

    def batches(self, steps: range, workers: int = 0) -> Batches:
        """The augmented batches of `steps`, or this process's shares of them."""
        settings, processes = self.settings, self.processes
        return training_batches(
            self.source,
            self.pipeline,
            order=Order(settings.seed, settings.batch, processes.rank, processes.world),
            steps=steps,
            mixing=self.mixing,
            workers=workers,
        )


def fit(parts: Parts, state: TrainingState) -> None:
    """Train from where `state` is to the last step.

    Raises `Stopped` when a signal came (the state is saved), `NumericError` when the loss is no
    longer finite (before the weights are touched by it).
    """
    settings, progress, processes = parts.settings, state.progress, parts.processes
    if finished(state, settings):
        return
    network = processes.wrap(state.model)
    batches = parts.batches(range(progress.step, settings.steps), settings.workers)
    clock, saved_at = time.monotonic(), time.monotonic()
    pictures = min(settings.batch, len(parts.source))
    with (
        StopRequest() as stop,
        closing(batches),
        track(
            "training", total=(settings.steps - progress.step) * pictures, unit="pictures"
        ) as bar,
    ):
        for batch in batches:
            losses = learn(network, batch, state, parts)
            progress.step += 1
            progress.seconds += time.monotonic() - clock
            clock = time.monotonic()
            note_losses(losses, state, parts)
            bar.advance(pictures, f"loss {sum(losses.values()):.3f}")

            if progress.step % settings.validate_every == 0 or progress.step == settings.steps:
                done = processes.share(validate(state, parts) if processes.first else False)
                if done:
                    break
            overdue = time.monotonic() - saved_at >= settings.save_seconds
            stopping = processes.any(stop.received is not None)
            if processes.first and (overdue or stopping):
                parts.checkpoints.save(state, forgive=not stopping)
                saved_at = time.monotonic()
            if stopping:
                cause = stop.received or "a signal"
                raise Stopped(f"stopped by {cause} after step {progress.step}; the state is saved")
        if processes.first:
            parts.checkpoints.save(state, forgive=False)
        if processes.any(stop.received is not None):
            raise Stopped(f"stopped by {stop.received or 'a signal'} after the last step")


def learn(network: nn.Module, batch: Batch, state: TrainingState, parts: Parts) -> dict[str, float]:
    """One step: forward, loss and backward for each part of the batch, then one update.

    The named losses of the batch, or of this process's share of it.
    """
    settings, step = parts.settings, state.progress.step
    set_learning_rate(state.optimizer, learning_rate(settings, step))
    begin_learning(state.model, settings)
    pieces = parts_of_batch(batch, settings.accumulate, least=2 if needs_pairs(state.model) else 1)
    whole = len(pieces) == 1 and parts.processes.world == 1
    state.optimizer.zero_grad(set_to_none=True)

    sums: dict[str, float] = {}
    weights: list[float] = []
    for number, piece in enumerate(pieces):
        seed_step(settings.seed, step, number * parts.processes.world + parts.processes.rank)
        with without_exchange(network, last=number == len(pieces) - 1):
            weight, losses = add_gradients(network, piece, state, parts, whole=whole)
        weights.append(weight)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss
    if not whole:
        divisor = divisor_of_parts(weights, parts.processes)
        sums = {name: total / divisor for name, total in sums.items()}
        for parameter in state.model.parameters():
            if parameter.grad is not None:
                parameter.grad /= divisor

    if settings.clip_norm > 0:
        nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip_norm)
    state.optimizer.step()
    if state.average is not None:
        state.average.update(state.model)
    return sums


def add_gradients(
    network: nn.Module, batch: Batch, state: TrainingState, parts: Parts, *, whole: bool
) -> tuple[float, dict[str, float]]:
    """Forward, loss and backward of `batch`; how much it weighs, and its named losses.

    Of a part of a batch (`whole` is False) losses and gradients are sums, not means.
    """
    settings = parts.settings
    images = parts.preparation.normalise(batch.images.to(settings.device))
    with autocast(settings.device, settings.precision):
        raw = network(images)
    losses = parts.task.loss(raw, batch.targets)
    total = torch.stack(list(losses.values())).sum()
    refuse_nonfinite(total, state.progress.step, batch, settings.precision)
    weight = 1.0 if whole else parts.task.weight(raw, batch.targets)
    factor = factor_of_part(weight)
    torch.autograd.backward(total * factor)
    return weight, {name: float(loss.detach()) * factor for name, loss in losses.items()}


def refuse_nonfinite(loss: Tensor, step: int, batch: Batch, precision: Precision) -> None:
    """Raise `NumericError` if `loss` is not finite, naming the step and the samples.

    `step` is the number of steps done before.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        names = ", ".join(batch.names[:8]) + (", …" if len(batch) > 8 else "")
        raise NumericError(
            f"the loss became {value} in step {step + 1}, on {names}",
            expected="a finite number",
            fix="train anew with a smaller --lr"
            + ("" if precision == "float32" else ", or --precision float32")
            + "; to resume would end in the same",
        )


def note_losses(losses: dict[str, float], state: TrainingState, parts: Parts) -> None:
    """Add to the running means, and write them to the journal now and then."""
    progress, settings = state.progress, parts.settings
    for name, loss in losses.items():
        progress.loss_sums[name] = progress.loss_sums.get(name, 0.0) + loss
    progress.loss_count += 1
    if progress.step % max(1, settings.steps // _ROWS) and progress.step != settings.steps:
        return
    means = {
        name: parts.processes.mean(total / progress.loss_count)
        for name, total in progress.loss_sums.items()
    }
    progress.loss_sums, progress.loss_count = {}, 0
    if not parts.processes.first:
        return
    row = {**place(state, parts), "lr": learning_rate(settings, progress.step - 1)}
    row["loss"] = sum(means.values())
    if len(means) > 1:
        row |= {f"loss/{name}": mean for name, mean in means.items()}
    parts.journal.add(row)


def validate(state: TrainingState, parts: Parts) -> bool:
    """Score the network so far, keep it if it is the best; True when it is time to stop early.

    Of equally good networks the later one is kept: where few pictures validate, many have the best
    score, and training has made the later ones better all the same.
    """
    progress, settings = state.progress, parts.settings
    scores = parts.validate(state.product)
    score = scores.main.value
    before = -math.inf if progress.best_score is None else progress.best_score
    progress.validations_since_best = 0 if score > before else progress.validations_since_best + 1
    if score >= before:
        progress.best_score, progress.best_step = score, progress.step
        parts.checkpoints.save_best(state.product)
    row = {f"val/{name}": one.value for name, one in scores.overall.items()}
    parts.journal.add({**place(state, parts), **row})
    return finished(state, settings)


def finished(state: TrainingState, settings: Settings) -> bool:
    """Whether the last step is done, or validation has stopped getting better."""
    patience = settings.stop_after
    stopped_early = 0 < patience <= state.progress.validations_since_best
    return stopped_early or state.progress.step >= settings.steps


def place(state: TrainingState, parts: Parts) -> dict[str, float]:
    """Where in the run a row of the journal belongs."""
    progress = state.progress
    return {
        "step": progress.step,
        "epoch": progress.step / steps_per_epoch(len(parts.source), parts.settings.batch),
        "seconds": round(progress.seconds, 3),
    }
