"""What the weights that a run starts from say of it, and whether they fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from manako.config.settings import Settings
from manako.console.messages import warn
from manako.models.weights import layout_of, load_weights, normalisation_of_file
from manako.models.zoo import create_model
from manako.recognizer import RecognizerSpec
from manako.recognizer.folder import read_folder


def made_for(weights: str | None) -> RecognizerSpec | None:
    """The specification of the recognizer that `weights` names.

    None without weights, and for the file of another library, which says nothing of the kind.
    Errors: ArtefactError where there is no whole recognizer.
    """
    if weights is None or layout_of(weights):
        return None
    return read_folder(Path(weights))[1]


def normalisation_of(settings: Settings) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation that the weights of a run were trained with.

    None without weights, and where a file of another library does not say it, which is noted.
    """
    if settings.weights is None:
        return None
    known: tuple[tuple[float, ...], tuple[float, ...]] | None
    spec = made_for(settings.weights)
    if spec is None:
        known = normalisation_of_file(settings.weights, settings.model)
    else:
        known = spec.mean, spec.std
    if known is None:
        warn(
            f"{settings.weights} does not say how its pictures were normalised; these are by their "
            "own mean and deviation (a file from manako fetch says it)"
        )
        return None
    mean, std = known
    if settings.channels == 1 < len(mean):  # the first convolution is summed over the colours
        mean, std = (round(fmean(mean), 4),), (round(fmean(std), 4),)
    return mean, std


def refuse_unfit_weights(settings: Settings, classes: Sequence[str]) -> None:
    """Raise what loading the weights of a run will raise, before there is a run."""
    if settings.weights is None:
        return
    options: dict[str, Any] = dict(settings.model_options)
    with torch.random.fork_rng(devices=[]):
        model = create_model(
            settings.model, num_classes=len(classes), in_channels=settings.channels, **options
        )
    load_weights(model, settings.weights, classes=classes)
