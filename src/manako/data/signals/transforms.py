"""What a signal may go through in training without becoming another thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from manako.config.signal_form import SignalForm
from manako.data.randomness import Draws
from manako.data.signals.preparation import SignalPreparation, placed
from manako.data.transforms.noise import normal_noise
from manako.data.transforms.pipeline import Pipeline, Transform
from manako.errors import UnknownName, UsageError
from manako.structures import Sample


@dataclass(frozen=True)
class SignalStrengths:
    """The numbers of an augmentation; those of a fresh record change nothing.

    `stretch` is how far the speed is from 1 (of waveforms and series), `gain` how far the loudness
    is, `noise` a deviation in those of the channel, `mask` the largest share of the moments, and
    of the bands of a spectrogram, that is silenced.
    """

    stretch: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    mask: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 0.9:
                raise UsageError(f"{name} cannot be {value}", expected="0 to 0.9")

    def changed(self, options: Mapping[str, float | bool | str]) -> SignalStrengths:
        """These strengths with some replaced."""
        known = [field.name for field in fields(self)]
        for name, value in options.items():
            if name not in known:
                raise UnknownName("augmentation option", name, known)
            if isinstance(value, bool | str):
                raise UsageError(f"{name} cannot be {value!r}", expected="a number")
        return replace(self, **{name: float(value) for name, value in options.items()})


def usual_strengths(form: SignalForm) -> SignalStrengths:
    """Those that are chosen for a kind of signal."""
    match form.kind:
        case "waveform":
            return SignalStrengths(stretch=0.1, gain=0.3, noise=0.02)
        case "log-mel":
            return SignalStrengths(mask=0.15)
        case "series":
            return SignalStrengths(stretch=0.1, gain=0.1, noise=0.05)
        case "volume":
            return SignalStrengths(gain=0.1, noise=0.05)


def signal_pipeline(
    form: SignalForm,
    strengths: SignalStrengths,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Pipeline:
    """The transforms of those strengths, ending in the size of the form."""
    steps: list[Transform] = []
    if strengths.stretch and form.dims == 1:
        steps.append(Stretch(strengths.stretch))
    steps.append(RandomPlace(form.size, mean))
    if strengths.gain:
        steps.append(Gain(strengths.gain, mean))
    if strengths.noise:
        steps.append(Noise(tuple(strengths.noise * one for one in std)))
    if strengths.mask:
        steps.append(Mask(strengths.mask, mean))
    return Pipeline(tuple(steps))


@dataclass(frozen=True)
class Stretch:
    """Faster or slower by up to `most`, with linear interpolation: [C, L] -> [C, L']."""

    draws: ClassVar[int] = 1
    most: float

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number."""
        length = max(2, round(sample.image.shape[1] * (1 + draws.uniform(-self.most, self.most))))
        values = functional.interpolate(
            sample.image[None], length, mode="linear", align_corners=True
        )[0]
        return _with(sample, values)


@dataclass(frozen=True)
class RandomPlace:
    """A random part of what is too long; what is too short somewhere, with `fill` around."""

    size: tuple[int, ...]
    fill: tuple[float, ...]

    @property
    def draws(self) -> int:
        """One for each side."""
        return len(self.size)

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number for each side."""
        at = [draws.uniform(0, 1) for _ in self.size]
        return _with(sample, placed(sample.image, self.size, at, self.fill))


@dataclass(frozen=True)
class Middle:
    """As in evaluation: the middle of what is too long, and filled around what is too short."""

    draws: ClassVar[int] = 0
    preparation: SignalPreparation

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes no number."""
        return self.preparation.prepare_sample(sample)[0]


@dataclass(frozen=True)
class Gain:
    """What differs from the mean, larger or smaller by up to `most`."""

    draws: ClassVar[int] = 1
    most: float
    mean: tuple[float, ...]

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes one number."""
        mean = _along(sample.image, self.mean)
        factor = 1 + draws.uniform(-self.most, self.most)
        return _with(sample, mean + factor * (sample.image - mean))


@dataclass(frozen=True)
class Noise:
    """Normal noise, `std` for each channel, added to each value by itself."""

    draws: ClassVar[int] = 2
    std: tuple[float, ...]

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers: the key of the noise."""
        noise = torch.from_numpy(normal_noise(draws, tuple(sample.image.shape), 1.0))
        return _with(sample, sample.image + _along(sample.image, self.std) * noise)


@dataclass(frozen=True)
class Mask:
    """For each side, a stretch of up to `most` of it becomes the mean.

    Park et al. 2019, https://arxiv.org/abs/1904.08779, section 2: one mask of moments and one of
    bands, without warping.
    """

    draws: ClassVar[int] = 6
    most: float
    mean: tuple[float, ...]

    def __call__(self, sample: Sample, draws: Draws) -> Sample:
        """Takes two numbers for each side."""
        values = sample.image.clone()
        mean = _along(values, self.mean)
        for dim in range(1, values.ndim):
            side = values.shape[dim]
            width = int(draws.uniform(0, self.most) * side)
            first = draws.integer(0, side - width + 1)
            values.narrow(dim, first, width).copy_(mean.expand_as(values.narrow(dim, first, width)))
        return _with(sample, values)


def _along(values: Tensor, numbers: tuple[float, ...]) -> Tensor:
    return values.new_tensor(numbers).view(-1, *(1,) * (values.ndim - 1))


def _with(sample: Sample, values: Tensor) -> Sample:
    return Sample(values.contiguous(), sample.target, sample.name)
