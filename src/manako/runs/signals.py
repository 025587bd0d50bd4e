"""Runs on signals and volumes: what is chosen for them, and what is looked at before."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from torch import nn

from manako.config import format_size
from manako.config.settings import Asked
from manako.config.signal_form import KIND_DIMS, Kind, SignalForm
from manako.console.messages import warn
from manako.data.dataset import Dataset
from manako.data.names import listed
from manako.data.signals.look import SignalLook
from manako.data.signals.reading import SignalReader
from manako.data.signals.transforms import SignalStrengths, usual_strengths
from manako.errors import DataError, UsageError
from manako.models.protocols import FixedSize, WholeModel
from manako.models.zoo import create_without_values

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


def choose_signal(choices: Choices, asked: Asked, look: SignalLook) -> nn.Module:
    """What the network sees of the signals, and what they go through in training.

    The network is given back, without values.
    """
    for name in _FOR_PICTURES_ONLY:
        if getattr(asked, name) is not None:
            raise UsageError(
                f"{name.replace('_', ' ')} is for pictures, and the data hold {look.kind}",
                fix="leave it out; --signal-size is the size of signals",
            )
    choices.take("weights", None)
    options = choices.take("model_options", {})
    kind = _kind(asked, look)
    network = create_without_values(
        choices.values["model"],
        num_classes=2,
        in_channels=look.channels,
        dims=KIND_DIMS[kind],
        **options,
    )
    assert isinstance(network, WholeModel)
    form, why = _form(asked, look, kind, network)
    if isinstance(network, FixedSize) and form.size != network.fixed_size_hw:
        fixed = format_size(network.fixed_size_hw)
        raise UsageError(
            f"{choices.values['model']} takes inputs of {fixed} only, not {format_size(form.size)}",
            fix=f"use --signal-size {fixed}, or another model",
        )
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
    if choices.take("augment", "signal") not in ("signal", "none"):
        raise UsageError(
            f"the augmentation {asked.augment!r} is for pictures", expected="signal or none"
        )
    usual = usual_strengths(form) if choices.values["augment"] == "signal" else SignalStrengths()
    numbers = choices.take("augment_options", {})
    if "stretch" in numbers and form.dims != 1:
        raise UsageError(
            f"stretch is for waveforms and series, and these are learned as {form.kind}",
            fix="leave it out",
        )
    choices.values["augment_options"] = asdict(usual.changed(numbers))
    choices.origins["augment_options"] = (
        "asked: " + ", ".join(numbers) if numbers else f"usual for {form.kind}"
    )
    return network


def _kind(asked: Asked, look: SignalLook) -> Kind:
    if asked.representation is not None and look.kind != "sounds":
        raise UsageError(
            f"a representation is chosen for sounds, and the data hold {look.kind}",
            fix="leave --representation out",
        )
    kinds: dict[str, Kind] = {"series": "series", "volumes": "volume", "sounds": "log-mel"}
    return asked.representation or kinds[look.kind]


def _form(
    asked: Asked, look: SignalLook, kind: Kind, network: WholeModel
) -> tuple[SignalForm, str]:
    size: tuple[int, ...] = look.size
    mel: dict[str, int] = {}
    if kind == "log-mel":
        rate = look.rate_hz or 8000.0
        window = max(2, 2 ** round(math.log2(rate * MEL_WINDOW_SECONDS)))
        step = max(1, round(rate * MEL_STEP_SECONDS))
        mel = {"mel_window": window, "mel_step": step}
        size = (min(MEL_BANDS, window // 2), size[0] // step + 1)
    why = f"nine of ten {look.kind} are of up to {format_size(look.size)}"
    least, multiple = network.least_side, math.lcm(_MULTIPLE, network.size_multiple)
    if asked.signal_size is None:
        size = tuple(math.ceil(max(least, side) / multiple) * multiple for side in size)
    else:
        size, why = asked.signal_size, "asked"
        bad = [side for side in size if side < least or side % network.size_multiple]
        if len(size) != KIND_DIMS[kind] or bad:
            raise UsageError(
                f"a size of {format_size(size)} cannot be used for {kind}",
                expected=f"{KIND_DIMS[kind]} of {least} or more"
                + (f", multiples of {network.size_multiple}" * (network.size_multiple > 1)),
            )
    form = SignalForm(kind=kind, channels=look.channels, size=size, rate_hz=look.rate_hz, **mel)
    return form, why


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
