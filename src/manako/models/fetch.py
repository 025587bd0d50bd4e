"""Public weights, fetched when asked for: downloaded, verified, converted and tried.

Nothing else in manako opens a connection. The file that stays holds numbers only (safetensors),
and as text where it comes from and how the pictures it learned from were normalised.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch

from manako.errors import ArtefactError, UsageError
from manako.models.foreign.published import Published, published
from manako.models.protocols import WholeModel
from manako.models.table import MODELS
from manako.models.weights import ORIGIN, load_source, read_source
from manako.models.zoo import model_info
from manako.storage.download import download, header_of
from manako.storage.durability import disk_errors, sync_published
from manako.storage.pickles import convert_pickle
from manako.storage.temporary import remove, sweep_leftovers, temporary_path
from manako.storage.tensors import load_tensors, save_tensors

MIRROR = "MANAKO_MIRROR"
BYTES_A_WEIGHT = 8  # float32 is 4; room for counters and headers


@dataclass(frozen=True)
class Fetched:
    """A file of public weights on this disk; `weights` is what `create_model` and `train` take."""

    path: Path
    source: Published
    sha256: str

    @property
    def weights(self) -> str:
        """The library and the path."""
        return f"{self.source.layout}:{self.path}"


def fetch_weights(
    model: str,
    path: str | Path | None = None,
    *,
    label: str | None = None,
    sha256: str | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Fetched:
    """Fetch public weights of `model` into the new file `path` (MODEL-LABEL.safetensors here).

    `label` chooses among several (see `foreign.published`). The download must have the hash that
    its publisher states, or the `sha256` given. MANAKO_MIRROR=URL takes the files from a server of
    your own: https://host/file becomes URL/host/file. A mirror is not asked for a hash: where the
    publisher states it only on request, `sha256` must be given.

    Errors: UnknownName for another model; UsageError for weights that are not known, or where
    `path` exists; ResourceError where the server cannot be reached or breaks off, or the disk
    refuses; ArtefactError for another hash, a file that is no weights, or weights that do not fit
    the model.
    """
    info = model_info(model)
    source = published(model, label)
    goal = Path(path) if path is not None else Path(f"{model}-{source.label}.safetensors")
    if goal.suffix != ".safetensors":
        raise UsageError(f"{goal} cannot hold weights", expected="a name that ends in .safetensors")
    _refuse_existing(goal)
    sweep_leftovers(goal.parent)
    if sha256 is None:
        sha256 = source.sha256 or _digest_of_hub(source.url)
    url = _mirrored(source.url)
    beside = temporary_path(goal)
    raw, converted = beside / Path(source.url).name, beside / "converted.safetensors"
    try:
        digest = download(
            url,
            raw,
            sha256=sha256,
            limit_bytes=BYTES_A_WEIGHT * info.params + 10**6,
            on_progress=on_progress,
        )
        if raw.suffix != ".safetensors":
            convert_pickle(raw, converted)
        tensors = load_tensors(converted if converted.exists() else raw)
        origin = {**asdict(source), "sha256": digest}
        save_tensors(converted, tensors, {ORIGIN: json.dumps(origin, sort_keys=True)})
        _refuse_unfit(source, converted)
        _publish(converted, goal)
    finally:
        remove(beside)
    return Fetched(goal, source, digest)


def _refuse_existing(goal: Path) -> None:
    if goal.exists() or goal.is_symlink():
        raise UsageError(f"{goal} exists already", fix="choose another --out, or remove the file")


def _publish(path: Path, goal: Path) -> None:
    """Give the file its name, unless something has got that name meanwhile."""
    with disk_errors(goal):
        try:
            os.link(path, goal)
        except OSError:  # it exists, or the file system has no links
            _refuse_existing(goal)
            path.rename(goal)
    sync_published(goal)


def _mirror() -> str:
    return os.environ.get(MIRROR, "").rstrip("/")


def _mirrored(url: str) -> str:
    mirror = _mirror()
    parts = urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}" if mirror else url


def _digest_of_hub(url: str) -> str:
    """The SHA-256 that huggingface.co states for a large file before it sends it."""
    if _mirror():
        raise UsageError(
            f"{url} has no hash that is known beforehand, and a mirror is not asked for one",
            fix="give the hash that the publisher states with --sha256",
        )
    stated = (header_of(url, "X-Linked-Etag") or "").strip('"')
    if len(stated) != 64:
        raise ArtefactError(
            f"{url}: the server states no hash to check the file by",
            expected="a SHA-256 in its header X-Linked-Etag",
            fix="give the hash that you know with --sha256",
        )
    return stated


def _refuse_unfit(source: Published, path: Path) -> None:
    """Raise ArtefactError unless every tensor fits the model, its head included."""
    info = model_info(source.model)
    with torch.random.fork_rng(devices=[]):
        model = MODELS[source.model].build(
            num_classes=info.num_classes, in_channels=info.in_channels
        )
    assert isinstance(model, WholeModel)
    found = read_source(f"{source.layout}:{path}")
    load_source(model, found)
    ours = model.state_dict()
    for name in model.class_rows():
        theirs = found.tensors.get(name)
        if theirs is None or theirs.shape != ours[name].shape:
            had = "none" if theirs is None else tuple(theirs.shape)
            raise ArtefactError(
                f"{source.url} has another head than {source.model}: {name} is {had}",
                expected=f"{tuple(ours[name].shape)}, for {info.num_classes} classes",
            )
