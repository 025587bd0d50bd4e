"""Training pictures made of two: mixup and CutMix.

Both take a picture, another one of the batch, and a share drawn from a beta distribution with two
equal parameters alpha: 1 draws all shares alike, less than 1 prefers shares near 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from manako.data.randomness import Draws
from manako.errors import UsageError
from manako.structures import ClassTarget, MixedTarget, Sample


@dataclass(frozen=True)
class Mixing:
    """Two classified pictures in one, by mixup, by CutMix, or by either.

    `mixup` and `cutmix` are the alphas; 0 leaves that way out. Where both are given, a coin chooses
    for each picture. Every picture is mixed, each with a share of its own.

    * mixup: each level is the weighted mean of the two. Source: Zhang, Cisse, Dauphin, Lopez-Paz,
      "mixup: beyond empirical risk minimization", arXiv:1710.09412, section 2.
    * CutMix: a rectangle of the other picture, of the proportions of the whole, is pasted in at
      its own place. Its centre is drawn from the whole picture and what reaches outside is cut off;
      the share is that of the pixels that are left. Source: Yun et al., "CutMix: regularization
      strategy to train strong classifiers with localizable features", arXiv:1905.04899,
      section 3.1.

    Departure from both papers: their code draws one share for a whole batch.
    """

    draws: ClassVar[int] = 4
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, alpha in (("mixup", self.mixup), ("cutmix", self.cutmix)):
            if not 0 <= alpha < math.inf:
                raise UsageError(f"{name} {alpha:g} cannot be used", expected="a number from 0")
        if self.mixup == self.cutmix == 0:
            raise UsageError("neither mixup nor cutmix is above 0", fix="leave mixing out")

    def __call__(self, sample: Sample, other: Sample, draws: Draws) -> Sample:
        """`sample` with a share of `other`, which has the same size; both stay as they were.

        Takes up to four numbers: which way, the share, the centre's y and x. Errors: UsageError
        for pictures without a class.
        """
        label, second = _label(sample), _label(other)
        by_mixup = draws.chance(_chance_of_mixup(self.mixup, self.cutmix))
        share = beta_quantile(draws.uniform(0, 1), self.mixup if by_mixup else self.cutmix)
        if by_mixup:
            image = blended(sample.image, other.image, share)
        else:
            image, share = pasted(sample.image, other.image, share, draws)
        return Sample(image, MixedTarget(label, second, share), sample.name)


def beta_quantile(probability: float, alpha: float) -> float:
    """The number that a beta(alpha, alpha) variable stays below with `probability`.

    >>> beta_quantile(0.25, 1.0), beta_quantile(0.5, 0.2)
    (0.25, 0.5)
    """
    # Imported when needed: it takes a fifth of a second, which a run without mixing need not pay.
    from scipy.special import betaincinv

    return float(betaincinv(alpha, alpha, probability))


def blended(image: Tensor, other: Tensor, share: float) -> Tensor:
    """`image` by `share`, `other` by the rest, level by level, rounded; uint8 [C, H, W]."""
    levels = torch.lerp(other.to(torch.float32), image.to(torch.float32), share)
    return levels.round_().to(torch.uint8)


def pasted(image: Tensor, other: Tensor, share: float, draws: Draws) -> tuple[Tensor, float]:
    """`image` with a rectangle of `other`, about 1 - `share` of it, and the exact share left.

    Takes two numbers: the rectangle's centre.
    """
    height, width = image.shape[1:]
    side = math.sqrt(1 - share)
    rows = _span(height, side, draws)
    columns = _span(width, side, draws)
    mixed = image.clone()
    mixed[:, rows, columns] = other[:, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - area / (height * width)


def _span(size: int, side: float, draws: Draws) -> slice:
    """The pixels of a line that a rectangle of `side` times its length covers."""
    length, centre = round(size * side), draws.uniform(0, size)
    start = math.floor(centre - length / 2 + 0.5)
    return slice(max(start, 0), min(max(start + length, 0), size))


def _chance_of_mixup(mixup: float, cutmix: float) -> float:
    return 0.5 if mixup and cutmix else float(mixup > 0)


def _label(sample: Sample) -> int:
    if not isinstance(sample.target, ClassTarget):
        has = "no truth" if sample.target is None else f"a {type(sample.target).__name__}"
        raise UsageError(
            f"{sample.name} has {has} and cannot be mixed with another picture",
            expected="pictures of one class each (task classification)",
            fix="leave mixup and cutmix out",
        )
    return sample.target.label
