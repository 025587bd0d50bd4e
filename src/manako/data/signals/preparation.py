"""How a signal becomes input of a network: the one path of validation and prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from manako.config.signal_form import SignalForm
from manako.errors import ShapeError, UsageError
from manako.structures import Frame, Sample


@dataclass(frozen=True)
class SignalPreparation:
    """Size and normalisation: longer signals are cut to the middle, shorter ones filled up.

    What fills is the mean of each channel, and so 0 for the network. `mean` and `std` have one
    value a channel.
    """

    form: SignalForm
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.form.channels or not all(map(math.isfinite, values)):
                raise UsageError(
                    f"{name} {values} cannot be used for {self.form.channels} channels"
                )
        if min(self.std) <= 0:
            raise UsageError(f"std {self.std} cannot be used", expected="values above 0")

    @property
    def channels(self) -> int:
        """Those of the network's input."""
        return self.form.channels

    def prepare(self, values: Tensor) -> tuple[Tensor, Frame]:
        """Values float32 [C, *any] as input float32 [C, *size], and the way back."""
        sample, frame = self.prepare_sample(Sample(values, None, "the signal"))
        return sample.image, frame

    def prepare_sample(self, sample: Sample) -> tuple[Sample, Frame]:
        """As `prepare`, with the name and truth."""
        if sample.image.ndim != self.form.dims + 1 or len(sample.image) != self.channels:
            raise ShapeError(
                f"{sample.name} has the shape {tuple(sample.image.shape)}",
                expected=f"{self.channels} channels and {self.form.dims} dimensions, as the "
                "network was trained",
            )
        middle = [0.5] * self.form.dims
        values = placed(sample.image, self.form.size, middle, self.mean)
        prepared = Sample(values, sample.target, sample.name)
        return prepared, Frame(sample.size_hw, prepared.size_hw, prepared.size_hw)

    def normalise(self, batch: Tensor) -> Tensor:
        """Values float32 [B, C, *size]: (x - mean) / std, channels last where that is faster."""
        if batch.ndim != self.form.dims + 2 or batch.shape[1] != self.channels:
            raise ShapeError(
                f"signals are of shape {tuple(batch.shape)}",
                expected=f"(B, {self.channels}, {', '.join(map(str, self.form.size))})",
            )
        shape = (1, -1, *(1,) * self.form.dims)
        mean, std = (batch.new_tensor(one).view(shape) for one in (self.mean, self.std))
        values = (batch - mean) / std
        if self.form.dims == 2:
            return values.contiguous(memory_format=torch.channels_last)
        if self.form.dims == 3:
            return values.contiguous(memory_format=torch.channels_last_3d)
        return values


def placed(
    values: Tensor, size: Sequence[int], at: Sequence[float], fill: Sequence[float]
) -> Tensor:
    """Values [C, *any] cut or filled up to [C, *size].

    `at` says for each side where: 0 keeps the beginning of what is too long and puts what is too
    short at the beginning, 1 the end. `fill` has a value for each channel.

    >>> placed(torch.tensor([[1.0, 2, 3]]), [5], [0.5], [0.0])
    tensor([[0., 1., 2., 3., 0.]])
    >>> placed(torch.tensor([[1.0, 2, 3]]), [2], [1.0], [0.0])
    tensor([[2., 3.]])
    """
    inside = [slice(None)]
    for dim, (side, where) in enumerate(zip(size, at, strict=True), 1):
        length = values.shape[dim]
        room = round(abs(length - side) * where)
        if length > side:
            values = values.narrow(dim, room, side)
        inside.append(slice(room, room + length) if length < side else slice(None))
    if values.shape[1:] == tuple(size):
        return values.contiguous()
    level = values.new_tensor(fill).view(-1, *(1,) * len(size))
    filled = level.expand(-1, *size).clone()
    filled[tuple(inside)] = values
    return filled
