"""How signals and volumes become input of a network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Side = Annotated[int, Field(ge=1)]
Kind = Literal["waveform", "log-mel", "series", "volume"]
KIND_DIMS: dict[Kind, Literal[1, 2, 3]] = {"waveform": 1, "log-mel": 2, "series": 1, "volume": 3}


class SignalForm(BaseModel):
    """What is learned from: which numbers, how many, how fast they come.

    `size` is what the network sees: the values of a waveform or series, the bands and moments of
    a log-mel spectrogram, the slices, rows and columns of a volume. `rate_hz` is how many values a
    second a sound has; None where nobody says. `mel_window` and `mel_step` are in values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    channels: int = Field(ge=1)
    size: tuple[Side, ...] = Field(min_length=1, max_length=3)
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    mel_window: int = Field(default=256, ge=2)
    mel_step: int = Field(default=80, ge=1)

    @property
    def dims(self) -> Literal[1, 2, 3]:
        """The dimensions of the network's convolutions."""
        return KIND_DIMS[self.kind]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if len(self.size) != self.dims:
            raise ValueError(f"{self.kind} has {self.dims} sides, and size {len(self.size)}")
        return self
