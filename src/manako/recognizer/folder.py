"""A recognizer on disk: `model.safetensors`, `recognizer.json` and a `MANIFEST` of their hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from manako.errors import ArtefactError
from manako.models.zoo import create_model
from manako.recognizer.spec import RecognizerSpec
from manako.storage import replace_folder, verify_folder
from manako.storage.tensors import load_tensors, save_tensors

WEIGHTS, SPEC = "model.safetensors", "recognizer.json"


def save_folder_of(model: nn.Module, spec: RecognizerSpec, folder: Path) -> None:
    """Write weights and specification to `folder`; an older recognizer there is replaced."""

    def write(into: Path) -> None:
        save_tensors(into / WEIGHTS, model.state_dict())
        (into / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")

    replace_folder(folder, write)


def read_folder(folder: Path) -> tuple[nn.Module, RecognizerSpec]:
    """Network and specification in `folder`; an `ArtefactError` if a byte of it has changed."""
    if not (folder / SPEC).is_file():
        inside = folder / "recognizer"
        if not (inside / SPEC).is_file():
            raise ArtefactError(
                f"{folder} is no recognizer: it has no {SPEC}",
                expected="the recognizer/ folder of a run, or the run's folder itself",
            )
        folder = inside
    verify_folder(folder)
    spec = RecognizerSpec.parse((folder / SPEC).read_text(encoding="utf-8"), str(folder / SPEC))
    with torch.random.fork_rng(devices=[]):  # the weights that a new network draws are overwritten
        model = build_model(spec)
    _fill(model, folder / WEIGHTS)
    return model.eval(), spec


def build_model(spec: RecognizerSpec) -> nn.Module:
    """The network that `spec` describes, not yet trained."""
    options: dict[str, Any] = dict(spec.model_options)
    return create_model(
        spec.model,
        num_classes=len(spec.classes),
        in_channels=spec.channels,
        dims=spec.dims,
        **options,
    )


def _fill(model: nn.Module, path: Path) -> None:
    tensors = load_tensors(path)
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        here, there = wanted.get(name), tensors.get(name)
        if here is None or there is None:
            raise ArtefactError(
                f"{path}: tensor {name} is {'missing' if there is None else 'unknown'}",
                expected="the weights of the architecture in recognizer.json",
            )
        if here.shape != there.shape:
            raise ArtefactError(
                f"{path}: tensor {name} has shape {tuple(there.shape)}",
                expected=f"shape {tuple(here.shape)}",
            )
    model.load_state_dict(tensors, strict=True)
