"""The settings of a run: as asked (everything optional) and as resolved (nothing open)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manako.config.signal_form import SignalForm
from manako.errors import ArtefactError, UnknownName, UsageError
from manako.storage.files import write_text_atomic

TaskName = Literal["classification", "multilabel", "detection", "segmentation"]
Augment = Literal["photo", "characters", "randaugment", "autoaugment", "signal", "none"]
Rule = Literal["stretch", "letterbox", "crop"]
Optimizer = Literal["sgd", "adamw"]
ScheduleName = Literal["cosine", "step", "onecycle", "constant"]
Precision = Literal["float32", "bfloat16"]
ClassWeights = Literal["none", "balanced"]
NormStatistics = Literal["train", "frozen"]
Freeze = Annotated[int, Field(ge=0)] | Literal["backbone"]
Side = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Everything that decides what a run computes, and how. Times in seconds, sizes in pixels."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    # What is learned, and from what.
    data: str
    task: TaskName
    model: str
    model_options: dict[str, int | float | str | bool] = {}
    weights: str | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)
    group_by: str | None = None  # a pattern; its first group in a path names what stays together
    fold: str | None = None  # "2/5": the second of five parts validates, the others train
    exclude: str | None = None  # a file that lists pictures to leave out
    allow_leakage: bool = False  # go on although a picture is in two splits

    # Pictures, or signals and volumes.
    size_hw: tuple[Side, Side]
    rule: Rule = "stretch"
    channels: int = Field(default=3, ge=1)  # 1 or 3 for pictures
    signal: SignalForm | None = None  # of what is no picture
    augment: Augment = "photo"
    augment_options: dict[str, bool | float | str] = {}  # all numbers of the augmentation
    mixup: float = Field(default=0.0, ge=0)  # alpha of the beta distribution; 0: none
    cutmix: float = Field(default=0.0, ge=0)
    mirror: bool = False

    # The length of the run, in steps of one batch each.
    batch: int = Field(ge=2)
    accumulate: int = Field(default=1, ge=1)  # parts that a batch is computed in
    steps: int = Field(ge=1)
    validate_every: int = Field(ge=1)
    stop_after: int = Field(default=0, ge=0)  # validations without a better score; 0: never
    budget_seconds: float | None = None

    # Optimisation.
    optimizer: Optimizer = "sgd"
    lr: float = Field(gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: ScheduleName = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    clip_norm: float = Field(default=0.0, ge=0)  # 0: no clipping
    average_decay: float = Field(default=0.0, ge=0, lt=1)  # 0: no weight averaging
    class_weights: ClassWeights = "none"
    freeze: Freeze = 0  # so many stages from the input on, or the backbone
    stage_lr_factor: float = Field(default=1.0, gt=0, le=1)  # for each stage below the head
    bias_lr_factor: float = Field(default=1.0, gt=0)  # for biases and what norms add
    norm_statistics: NormStatistics = "train"
    preflight: bool = True

    # The machine.
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = Field(default=1, ge=1)
    workers: int = Field(default=0, ge=0)
    save_seconds: float = Field(default=60.0, ge=0)


class Asked(BaseModel):
    """What the caller gave explicitly; None leaves the choice to manako. An asked value wins."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    task: TaskName | None = None
    model: str | None = None
    model_options: dict[str, int | float | str | bool] | None = None
    weights: str | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    group_by: str | None = None
    fold: str | None = None
    exclude: str | None = None
    allow_leakage: bool | None = None
    size_hw: tuple[Side, Side] | Literal["auto"] | None = None  # "auto": what a budget has time for
    rule: Rule | None = None
    channels: Literal[1, 3] | None = None
    representation: Literal["waveform", "log-mel"] | None = None  # of sounds
    signal_size: tuple[Side, ...] | None = None  # values, or slices, rows and columns
    augment: Augment | None = None
    augment_options: dict[str, bool | float | str] | None = None  # changes to the preset's
    mixup: float | None = Field(default=None, ge=0)
    cutmix: float | None = Field(default=None, ge=0)
    mirror: bool | None = None
    batch: int | None = Field(default=None, ge=2)
    accumulate: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, ge=1)
    budget_seconds: float | None = Field(default=None, gt=0)
    validate_every: int | None = Field(default=None, ge=1)
    stop_after: int | None = Field(default=None, ge=0)
    optimizer: Optimizer | None = None
    lr: float | None = Field(default=None, gt=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)
    schedule: ScheduleName | None = None
    warmup_steps: int | None = Field(default=None, ge=0)
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    clip_norm: float | None = Field(default=None, ge=0)
    average_decay: float | None = Field(default=None, ge=0, lt=1)
    class_weights: ClassWeights | None = None
    freeze: Freeze | None = None
    stage_lr_factor: float | None = Field(default=None, gt=0, le=1)
    bias_lr_factor: float | None = Field(default=None, gt=0)
    norm_statistics: NormStatistics | None = None
    preflight: bool | None = None
    device: str | None = None
    precision: Precision | None = None
    threads: int | None = Field(default=None, ge=1)
    workers: int | None = Field(default=None, ge=0)
    save_seconds: float | None = Field(default=None, ge=0)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Asked:
        """The record of `values`; an unknown name or a bad value is a `UsageError`."""
        for name in values:
            if name not in cls.model_fields:
                raise UnknownName("option", name, cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            raise _refused(error) from error


class Resolved(BaseModel):
    """The settings of a run with the origin of each: `asked`, `default`, or the reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    origins: dict[str, str]

    def save(self, path: Path) -> None:
        """Write both as YAML: one `name: {value, origin}` a line."""
        values = self.settings.model_dump(mode="json")
        rows = {
            name: {"value": value, "origin": self.origins.get(name, "default")}
            for name, value in values.items()
        }
        write_text_atomic(path, yaml.safe_dump(rows, sort_keys=False, allow_unicode=True))

    @classmethod
    def load(cls, path: Path) -> Resolved:
        """Read what `save` wrote; anything else is an `ArtefactError` that names the file."""
        try:
            rows = yaml.safe_load(path.read_text(encoding="utf-8"))
            settings = Settings(**{name: row["value"] for name, row in rows.items()})
            return cls(settings=settings, origins={n: row["origin"] for n, row in rows.items()})
        except ValidationError as error:
            raise ArtefactError(f"{path}: {_refused(error).what}") from error
        except (
            OSError,
            ValueError,
            yaml.YAMLError,
            LookupError,
            AttributeError,
            TypeError,
        ) as error:
            raise ArtefactError(
                f"{path} is not the configuration of a run: {error}",
                expected="a config.yaml as manako train writes it",
            ) from error


def _refused(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    name = first["loc"][0] if first["loc"] else "settings"  # what follows are pydantic's own words
    return UsageError(f"{name} cannot be {first.get('input')!r}", expected=first["msg"])
