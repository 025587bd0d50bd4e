"""What the weights that a run starts from say of it, and whether they fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from manako.config.settings import Settings
from manako.models.weights import layout_of, load_weights
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


def refuse_unfit_weights(settings: Settings, classes: Sequence[str]) -> None:
    """Raise what loading the weights of a run will raise, before there is a run."""
    if settings.weights is None:
        return
    options: dict[str, Any] = dict(settings.model_options)
    with torch.random.fork_rng():
        model = create_model(
            settings.model, num_classes=len(classes), in_channels=settings.channels, **options
        )
    load_weights(model, settings.weights, classes=classes)
