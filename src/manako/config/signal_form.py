"""How signals and volumes become input of a network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Side = Annotated[int, Field(ge=1)]
Kind = Literal["waveform", "log-mel", "series", "volume"]
KIND_DIMS: dict[str, int] = {"waveform": 1, "log-mel": 2, "series": 1, "volume": 3}


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
    rate_hz: float | None = None
    mel_window: int = Field(default=256, ge=2)
    mel_step: int = Field(default=80, ge=1)

    @property
    def dims(self) -> Literal[1, 2, 3]:
        """The dimensions of the network's convolutions."""
        return KIND_DIMS[self.kind]  # type: ignore[return-value]
