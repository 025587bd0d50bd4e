"""What a recognizer says of itself: the content of `recognizer.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manako.config.signal_form import SignalForm
from manako.data.loader import AnyPreparation
from manako.data.preparation import Preparation
from manako.data.selection import Selection
from manako.data.signals.preparation import SignalPreparation
from manako.errors import ArtefactError
from manako.tasks import create_task

SCHEMA_VERSION: Literal[1] = 1


class RecognizerSpec(BaseModel):
    """Everything but the weights: architecture, class names in order, preprocessing, origin.

    `signal` is how what is no picture becomes input; then `size_hw`, `rule` and `colour_order` say
    nothing. `scores` is what `Scores.as_json` gave on validation pictures, `data_fingerprint` names
    the data it was trained on; `split_seed`, `group_by` and `fold` divided them where they came
    unsplit (`selection`), and the pictures at the paths `excluded` were left out. `thresholds` are
    the numbers by which answers are decided, such as the `temperature` that logits are divided by.
    `weights_licence` is the user's to declare.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    schema_version: Literal[1] = SCHEMA_VERSION
    manako_version: str
    task: Literal["classification", "multilabel", "detection", "segmentation"]
    model: str
    model_options: dict[str, int | float | str | bool] = {}
    classes: tuple[str, ...] = Field(min_length=1)
    size_hw: tuple[int, int]
    rule: Literal["stretch", "letterbox", "crop"]
    colour_order: Literal["rgb", "grey"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror: bool = False
    signal: SignalForm | None = None
    thresholds: dict[str, float] = {}
    scores: dict[str, Any] | None = None
    data_fingerprint: str = ""
    split_seed: int = 0
    group_by: str | None = None
    fold: str | None = None
    excluded: tuple[str, ...] = ()
    weights_licence: str = "not stated"

    @model_validator(mode="after")
    def _consistent(self) -> RecognizerSpec:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("class names must differ from each other")
        if not len(self.mean) == len(self.std) == self.channels:
            what = self.signal.kind if self.signal else self.colour_order
            raise ValueError(f"mean and std need {self.channels} values for {what}")
        create_task(self.task, self.classes, **self.thresholds)  # refuses an unknown threshold
        Selection.parsed(group_by=self.group_by, fold=self.fold)  # refuses what cannot be divided
        return self

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for grey; those of a signal or volume."""
        if self.signal is not None:
            return self.signal.channels
        return 3 if self.colour_order == "rgb" else 1

    @property
    def dims(self) -> Literal[1, 2, 3]:
        """The dimensions of the network's convolutions."""
        return 2 if self.signal is None else self.signal.dims

    @property
    def preparation(self) -> AnyPreparation:
        """The one way a picture, signal or volume becomes input of this network."""
        if self.signal is not None:
            return SignalPreparation(self.signal, self.mean, self.std)
        return Preparation(
            size_hw=self.size_hw,
            rule=self.rule,
            channels=self.channels,
            mean=self.mean,
            std=self.std,
        )

    @property
    def selection(self) -> Selection:
        """How the data of the run were divided: what scoring repeats to see no training picture."""
        return Selection.parsed(self.split_seed, self.group_by, self.fold)

    @classmethod
    def parse(cls, text: str, where: str) -> RecognizerSpec:
        """The record in the JSON `text` of the file `where`; an `ArtefactError` if it is none."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            if field == "schema_version":
                raise ArtefactError(
                    f"{where} has schema version {first.get('input')!r}",
                    expected=f"schema version {SCHEMA_VERSION}",
                    fix="use the manako version that wrote it, or train anew",
                ) from error
            raise ArtefactError(
                f"{where}: {field} is not valid",
                expected=first["msg"],
                fix="copy the recognizer folder anew; it is not edited by hand",
            ) from error
