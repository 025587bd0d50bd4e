"""Which networks fit: scaled by unlike rates, each as large as the limits allow."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from manako.arithmetic.compound import (
    LEAST_PHI,
    Base,
    Options,
    Rates,
    Scaled,
    grid,
    largest,
    spread,
)
from manako.config import format_size
from manako.config.settings import Settings
from manako.errors import UsageError
from manako.models.zoo import create_model, model_info
from manako.runs.choices import allowed_sizes
from manako.training.precision import exact_arithmetic

UNSCALED = Rates(1.0, 1.0, 1.0)
LATENCY_PASSES = 7
LATENCY_TURNS = 6  # halvings in which a network that is too slow is made smaller
TIMED_AT_MOST = 2.0  # times the multiply-adds that the latency seems to allow


@dataclass(frozen=True)
class Limits:
    """What a network may cost; None is no limit.

    `memory_bytes` is that of a training step, `latency_seconds` that of a prediction of one picture
    in float32 on this machine.
    """

    macs: float | None = None
    memory_bytes: float | None = None
    latency_seconds: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A network within the limits, the memory of its training, and the time of a prediction."""

    scaled: Scaled
    memory_bytes: int
    latency_seconds: float

    @property
    def is_unscaled(self) -> bool:
        """Whether it is the network as it was given."""
        return self.scaled.rates == UNSCALED

    def __str__(self) -> str:
        """One line: factors, size and cost."""
        scaled = self.scaled
        return (
            f"depth x{scaled.options['depth_factor']:.2f}, "
            f"width x{scaled.options['width_factor']:.2f}, {format_size(scaled.size_hw)} px: "
            f"{scaled.cost.macs / 1e6:,.0f} million multiply-adds, "
            f"{scaled.cost.params / 1e6:,.2f} million weights"
        )


def base_of(classes: int, settings: Settings) -> Base:
    """The network that the settings of a run mean, to be scaled."""
    options: Options = dict(settings.model_options)
    factors = {"width_factor", "depth_factor"} & set(options)
    if factors:
        raise UsageError(
            f"{' and '.join(sorted(factors))} cannot be chosen, for the search chooses them",
            fix="leave them out",
        )
    if "size" in model_info(settings.model).options:
        options["size"] = settings.size_hw[0]
    allowed = allowed_sizes(settings.model, settings.channels, options)
    return Base(
        settings.model,
        options,
        classes,
        settings.channels,
        settings.size_hw,
        allowed.least,
        allowed.multiple,
    )


def fitting(base: Base, settings: Settings, limits: Limits, count: int) -> list[Candidate]:
    """Networks within the limits, no two the same: as given, if it fits, and `count` others.

    Raises UsageError where there is none.
    """
    search = _Search(base, settings, limits)
    found: dict[Any, Candidate] = {}
    for rates in (UNSCALED, *spread(grid(), count)):
        candidate = search.best(rates)
        if candidate is not None:  # unlike rates may round to the same channels and blocks
            found.setdefault(_same(candidate.scaled), candidate)
    if not found:
        as_given = search.measured(search.as_given)
        raise UsageError(
            f"no form of {base.model} is within the limits: as given it needs "
            f"{as_given.scaled.cost.macs:,} multiply-adds, {as_given.memory_bytes:,} bytes and "
            f"{as_given.latency_seconds * 1000:.1f} ms",
            fix="raise --macs, --memory or --latency, or choose a smaller model",
        )
    return list(found.values())


@dataclass
class _Search:
    base: Base
    settings: Settings
    limits: Limits
    _seconds: dict[Any, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.as_given = self.base.at(UNSCALED, 0.0)
        self._most_macs = self.limits.macs
        if self.limits.latency_seconds is not None:  # lest networks are timed that fill the memory
            pace = self.as_given.cost.macs / self.measured(self.as_given).latency_seconds
            seeming = TIMED_AT_MOST * pace * self.limits.latency_seconds
            self._most_macs = min(seeming, self.limits.macs or seeming)

    def best(self, rates: Rates) -> Candidate | None:
        """The largest network of these rates within the limits, None if there is none."""
        if rates == UNSCALED:
            return self._fast(self.as_given) if self.within(self.as_given) else None
        scaled = largest(self.base, rates, self.within)
        return None if scaled is None else self._fast(scaled) or self._smaller(scaled)

    def within(self, scaled: Scaled) -> bool:
        """Whether multiply-adds and memory are few enough."""
        if self._most_macs is not None and scaled.cost.macs > self._most_macs:
            return False
        return self.limits.memory_bytes is None or self._memory(scaled) <= self.limits.memory_bytes

    def measured(self, scaled: Scaled) -> Candidate:
        """The network with what it costs here."""
        key = _same(scaled)
        if key not in self._seconds:
            self._seconds[key] = prediction_seconds(self.base, scaled, self.settings.threads)
        return Candidate(scaled, self._memory(scaled), self._seconds[key])

    def _fast(self, scaled: Scaled) -> Candidate | None:
        found, limit = self.measured(scaled), self.limits.latency_seconds
        return found if limit is None or found.latency_seconds <= limit else None

    def _smaller(self, slow: Scaled) -> Candidate | None:
        """The largest that is fast enough, between the smallest there is and one that is not."""
        low, high = LEAST_PHI, slow.phi
        best = None
        for _ in range(LATENCY_TURNS):
            phi = (low + high) / 2
            scaled = self.base.attempt(slow.rates, phi)
            found = scaled and self._fast(scaled)
            if scaled is None or found:  # too small to be, or small enough
                low, best = phi, found or best
            else:
                high = phi
        return best

    def _memory(self, scaled: Scaled) -> int:
        states = 2 if self.settings.optimizer == "adamw" else 1
        pictures = self.settings.batch // self.settings.accumulate
        return scaled.cost.training_bytes(pictures, states)


def prediction_seconds(base: Base, scaled: Scaled, threads: int) -> float:
    """The median time of a prediction of one picture, in float32 on the CPU."""
    with exact_arithmetic(threads), torch.inference_mode():
        network = create_model(
            base.model,
            num_classes=base.num_classes,
            in_channels=base.in_channels,
            **scaled.options,
        ).eval()
        picture = torch.zeros(1, base.in_channels, *scaled.size_hw)
        seconds = []
        for _ in range(LATENCY_PASSES + 1):
            start = time.perf_counter()
            network(picture)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first makes the memory


def _same(scaled: Scaled) -> Any:
    """What networks have in common that are the same."""
    return scaled.size_hw, scaled.cost.layers
