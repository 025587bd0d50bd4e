"""Compound scaling: deeper, wider and finer at once, by one number.

Tan and Le 2019, https://arxiv.org/abs/1905.11946, section 3.3, equation 3. With rates a (depth),
b (width) and c (resolution), of which a b^2 c^2 is about 2, the network of coefficient phi has
a^phi times the layers, b^phi times the channels and c^phi times the side of the pictures, and costs
about 2^phi times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from manako.arithmetic.counting import arithmetic
from manako.arithmetic.figures import Arithmetic
from manako.errors import UsageError
from manako.models.entry import Task

PRODUCT, TOLERANCE = 2.0, 0.1
STEP = 0.05
LEAST_PHI, MOST_PHI = -4.0, 8.0
PHI_STEPS = 11  # halvings: the last is 0.006 wide
SIDE_MULTIPLE = 4  # pixels

EXAMPLES: dict[Task, str] = {
    "classification": "resnet18, efficientnet_b0 or convnext_tiny",
    "detection": "ssd_resnet18",
}
"""Models that can be scaled; those for segmentation cannot."""

Options = dict[str, Any]


@dataclass(frozen=True)
class Rates:
    """How fast depth, width and resolution grow."""

    depth: float
    width: float
    resolution: float

    @property
    def product(self) -> float:
        """By how much the cost grows with every step of phi."""
        return self.depth * self.width**2 * self.resolution**2

    @property
    def shares(self) -> tuple[float, float, float]:
        """Which part of that growth each of the three makes."""
        parts = (math.log(self.depth), 2 * math.log(self.width), 2 * math.log(self.resolution))
        return tuple(part / math.log(self.product) for part in parts)  # type: ignore[return-value]


@dataclass(frozen=True)
class Scaled:
    """A network of coefficient `phi`, what it costs, and the pictures it takes."""

    rates: Rates
    phi: float
    options: Options
    size_hw: tuple[int, int]
    cost: Arithmetic


@dataclass(frozen=True)
class Base:
    """The network that is scaled: its name, its own options, and what it sees.

    Its pictures have sides from `least_side` on that are multiples of `multiple`.
    """

    model: str
    options: Options
    num_classes: int
    in_channels: int
    size_hw: tuple[int, int]
    least_side: int = 1
    multiple: int = 1

    def at(self, rates: Rates, phi: float) -> Scaled:
        """The network of coefficient `phi`. Raises UsageError where it cannot be made so small."""
        factors: Options = {
            "depth_factor": round(rates.depth**phi, 4),
            "width_factor": round(rates.width**phi, 4),
        }
        height, width = (self._side(side, rates.resolution**phi) for side in self.size_hw)
        options = self.options | factors
        if "size" in self.options:  # a network that is made for one size
            options["size"] = height
        cost = arithmetic(
            self.model,
            input_size=(height, width),
            in_channels=self.in_channels,
            num_classes=self.num_classes,
            fields=False,
            **options,
        )
        return Scaled(rates, phi, options, (height, width), cost)

    def attempt(self, rates: Rates, phi: float) -> Scaled | None:
        """The network of coefficient `phi`, None where it cannot be made so small."""
        try:
            return self.at(rates, phi)
        except UsageError:
            return None

    def _side(self, side: int, finer: float) -> int:
        step = math.lcm(self.multiple, SIDE_MULTIPLE)
        most_taken_away = (side - self.least_side) // step
        return side + max(-most_taken_away, round(side * (finer - 1) / step)) * step


def grid(step: float = STEP) -> list[Rates]:
    """All rates from 1 on, `step` apart, whose product is about 2.

    >>> [(one.depth, one.width, one.resolution) for one in grid(0.2)][:4]
    [(1.0, 1.0, 1.4), (1.0, 1.2, 1.2), (1.0, 1.4, 1.0), (1.4, 1.0, 1.2)]
    """
    values = [round(1 + step * number, 6) for number in range(round(1 / step) + 1)]
    rates = (Rates(*one) for one in product(values, repeat=3))
    return [one for one in rates if abs(one.product - PRODUCT) <= TOLERANCE]


def spread(rates: Sequence[Rates], count: int) -> list[Rates]:
    """`count` of the rates, as unlike each other as they can be, the most even first.

    >>> [(one.depth, one.width, one.resolution) for one in spread(grid(), 4)]
    [(1.3, 1.1, 1.1), (1.0, 1.0, 1.4), (1.0, 1.4, 1.0), (1.95, 1.0, 1.0)]
    """
    even = (1 / 3, 1 / 3, 1 / 3)
    chosen = [min(rates, key=lambda one: math.dist(one.shares, even))]
    while len(chosen) < min(count, len(rates)):
        chosen.append(
            max(rates, key=lambda one: min(math.dist(one.shares, by.shares) for by in chosen))
        )
    return chosen


def largest(base: Base, rates: Rates, fits: Callable[[Scaled], bool]) -> Scaled | None:
    """The network of these rates with the largest coefficient that fits, None if none does."""
    low, high = LEAST_PHI, MOST_PHI
    best = None
    for _ in range(PHI_STEPS):
        phi = (low + high) / 2
        found = base.attempt(rates, phi)
        if found is None and phi < 0:
            low = phi  # too small to be
        elif found is not None and fits(found):
            low, best = phi, found
        else:
            high = phi
    return best


def refuse_unscalable(model: str, options: Sequence[str], task: Task) -> None:
    """Raise UsageError for a model whose options have no factors."""
    if not {"depth_factor", "width_factor"} <= set(options):
        example = EXAMPLES.get(task)
        raise UsageError(
            f"{model} cannot be made deeper and wider by factors",
            expected="a model with the options depth_factor and width_factor",
            fix=f"choose another, such as {example}" if example else "",
        )
