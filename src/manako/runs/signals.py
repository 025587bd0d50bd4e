"""Runs on signals and volumes: what is chosen for them, and what is looked at before."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from manako.config import format_size
from manako.config.settings import Asked
from manako.config.signal_form import KIND_DIMS, Kind, SignalForm
from manako.console.messages import warn
from manako.data.dataset import Dataset
from manako.data.names import listed
from manako.data.signals.look import SignalLook
from manako.data.signals.mel import MelForm
from manako.data.signals.reading import SignalReader
from manako.data.signals.transforms import SignalStrengths, usual_strengths
from manako.errors import DataError, UsageError
from manako.models.protocols import WholeModel
from manako.models.zoo import create_model

if TYPE_CHECKING:  # it imports this file
    from manako.runs.choices import Choices

MEL_BANDS = 64
MEL_WINDOW_SECONDS, MEL_STEP_SECONDS = 0.032, 0.01
SMALL_SIGNAL, SMALL_VOLUME = 512, 64  # values, voxels a side: up to there the small network
_MULTIPLE = 8
_FOR_PICTURES_ONLY = ("mixup", "cutmix", "mirror", "rule", "channels", "size_hw", "weights")


def default_signal_model(look: SignalLook) -> tuple[str, str]:
    """A model for such signals, and why."""
    longest = max(look.size)
    if longest <= (SMALL_VOLUME if look.kind == "volumes" else SMALL_SIGNAL):
        return "resnet20", f"the {look.kind} are small ({format_size(look.size)})"
    return "resnet18", f"the {look.kind} are of {format_size(look.size)}"


def choose_signal(choices: Choices, asked: Asked, look: SignalLook) -> None:
    """What the network sees of the signals, and what they go through in training."""
    for name in _FOR_PICTURES_ONLY:
        if getattr(asked, name) is not None:
            raise UsageError(
                f"{name.replace('_', ' ')} is for pictures, and the data hold {look.kind}",
                fix="leave it out; --signal-size is the size of signals",
            )
    choices.take("weights", None)
    choices.take("model_options", {})
    form, why = _form(choices, asked, look)
    choices.values["signal"], choices.origins["signal"] = form, why
    height = form.size[-2] if form.dims > 1 else 1
    for name, value in (
        ("size_hw", (height, form.size[-1])),
        ("channels", form.channels),
        ("rule", "stretch"),
        ("mixup", 0.0),
        ("cutmix", 0.0),
        ("mirror", False),
    ):
        choices.values[name], choices.origins[name] = value, "as signal says"
    choices.take("freeze", 0)
    choices.take("norm_statistics", "train")
    if choices.take("augment", "signal") not in ("signal", "none"):
        raise UsageError(
            f"the augmentation {asked.augment!r} is for pictures", expected="signal or none"
        )
    usual = usual_strengths(form) if choices.values["augment"] == "signal" else SignalStrengths()
    numbers = choices.take("augment_options", {})
    choices.values["augment_options"] = asdict(usual.changed(numbers))
    choices.origins["augment_options"] = (
        "asked: " + ", ".join(numbers) if numbers else f"usual for {form.kind}"
    )


def _form(choices: Choices, asked: Asked, look: SignalLook) -> tuple[SignalForm, str]:
    if asked.representation is not None and look.kind != "sounds":
        raise UsageError(
            f"a representation is chosen for sounds, and the data hold {look.kind}",
            fix="leave --representation out",
        )
    kinds: dict[str, Kind] = {"series": "series", "volumes": "volume", "sounds": "log-mel"}
    kind: Kind = asked.representation or kinds[look.kind]
    form = SignalForm(kind=kind, channels=look.channels, size=(1,), rate_hz=look.rate_hz)
    size: tuple[int, ...] = look.size
    if kind == "log-mel":
        rate = look.rate_hz or 8000.0
        window = 2 ** round(math.log2(rate * MEL_WINDOW_SECONDS))
        step = max(1, round(rate * MEL_STEP_SECONDS))
        form = form.model_copy(update={"mel_window": window, "mel_step": step})
        size = (MelForm(window, step, min(MEL_BANDS, window // 2)).bands, size[0] // step + 1)
    least = _least_side(choices.values["model"], look.channels, KIND_DIMS[kind])
    why = f"nine of ten {look.kind} are of up to {format_size(look.size)}"
    if asked.signal_size is None:
        size = tuple(max(least, math.ceil(side / _MULTIPLE) * _MULTIPLE) for side in size)
    else:
        size, why = asked.signal_size, "asked"
        if len(size) != KIND_DIMS[kind] or min(size) < least:
            raise UsageError(
                f"a size of {format_size(size)} cannot be used for {kind}",
                expected=f"{KIND_DIMS[kind]} of {least} or more",
            )
    return form.model_copy(update={"size": size}), why


def _least_side(model: str, channels: int, dims: int) -> int:
    with torch.device("meta"):
        network = create_model(model, num_classes=2, in_channels=channels, dims=dims)  # type: ignore[arg-type]
    assert isinstance(network, WholeModel)
    return network.least_side


def check_signals(dataset: Dataset, asked: Asked) -> None:
    """Read every signal once; refuse what cannot be used, and the same signal in two splits.

    Errors: DataError for all of that.
    """
    reader = SignalReader(dataset.files)
    same: dict[str, list[tuple[str, str]]] = defaultdict(list)
    faults: list[str] = []
    for split, items in dataset.splits.items():
        for item in items:
            try:
                values = reader.read(item.image).values
            except DataError as error:
                faults.append(error.what)
                continue
            key = hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()
            same[key].append((split, item.image))
    if faults:
        raise DataError(
            f"{len(faults):,} signals of {dataset.files.root} cannot be used: {listed(faults, 3)}",
            expected="whole files of finite numbers",
            fix="mend them, or leave them out with --exclude FILE",
        )
    leaks = [places for places in same.values() if len({split for split, _ in places}) > 1]
    if not leaks:
        return
    names = [" = ".join(path for _, path in places) for places in leaks]
    what = f"{len(leaks):,} signals of {dataset.files.root} in more than one split: "
    if not asked.allow_leakage:
        raise DataError(
            what + listed(names, 3),
            expected="each signal in one split, or scores are of what was learned",
            fix="leave the copies out with --exclude FILE; or go on with --allow-leakage",
        )
    warn(f"{what}{listed(names, 2)}; scores will be too good")
