"""Weights from files into a model that is there already.

Two kinds of sources: a state dict in a public library's layout, such as `"timm:PATH"`, and the
folder of a recognizer (or of the run that made it). Apart from the tensors that depend on the
classes, every tensor must fit; where one does not, nothing is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from manako.errors import ArtefactError, UnknownName, UsageError
from manako.models.foreign.libraries import LIBRARIES, Normalisation
from manako.models.protocols import ClassRows, WholeModel, WithAuxiliary, backbone_of
from manako.models.stages import belongs
from manako.storage.manifest import verify_folder
from manako.storage.tensors import load_metadata, load_tensors

WEIGHTS, SPEC = "model.safetensors", "recognizer.json"
BACKBONE = "backbone."
COUNTER = ".num_batches_tracked"
PICKLES = (".pth", ".pt", ".th", ".bin", ".pkl", ".ckpt", ".tar")
ORIGIN = "manako"  # the entry of a file's metadata that `manako fetch` writes


@dataclass(frozen=True)
class Source:
    """Tensors read from a file, under the names of our models.

    `classes` are the class names in the order of the head's rows, None where the file does not
    say; `foreign` is true for another library's file.
    """

    label: str
    tensors: Mapping[str, Tensor]
    classes: tuple[str, ...] | None = None
    foreign: bool = False


@dataclass(frozen=True)
class Loaded:
    """What was loaded.

    `tensors` counts those that do not depend on the classes; `kept_classes` are the classes whose
    rows of the head were kept, where their names are known; `message` says all in one line.
    """

    source: str
    tensors: int
    kept_classes: tuple[str, ...]
    message: str


def load_weights(
    model: nn.Module, spec: str | Path, *, classes: Sequence[str] | None = None
) -> Loaded:
    """Load `spec`, a file in a public layout or a recognizer's folder, into `model`, in place.

    `spec` is as for `read_source`, `classes` and the errors as for `load_source`.
    """
    return load_source(model, read_source(spec), classes=classes)


def load_source(
    model: nn.Module, source: Source, *, classes: Sequence[str] | None = None
) -> Loaded:
    """Load tensors that were read into `model`, in place.

    `classes` are the names of the model's classes. Where source and caller both name theirs, the
    rows of the head go by name, and those of new classes stay as they are. Where one side does
    not, the head is taken whole if the counts agree, and else stays as it is. A detector takes
    the backbone of another library's classifier. The first convolution of such a classifier is
    fitted to another number of input channels. Auxiliary heads that the source lacks stay as they
    are, those that the model lacks are left out.

    Errors: ArtefactError naming the first tensors that do not fit or are not finite; UsageError
    for class names that are not as many as the model's classes.
    """
    wanted: Mapping[str, Tensor] = model.state_dict()
    rows = model.class_rows() if isinstance(model, WholeModel) else {}
    parts = model.auxiliary_parts if isinstance(model, WithAuxiliary) else ()
    source, wanted, auxiliary_note = _fit_auxiliary(source, wanted, parts)
    rows = {name: layout for name, layout in rows.items() if name in wanted}
    answering = {name for name in rows if not belongs(name, parts)}
    backbone_only = source.foreign and not answering <= source.tensors.keys()
    if backbone_only:
        rows = {}
        wanted = _backbone(wanted)
        source = replace(source, tensors=_backbone(source.tensors))
    backbone = backbone_of(model)
    if backbone is not None:
        first = BACKBONE + backbone.first_convolution
        source, channels_note = _fit_first_convolution(source, wanted, first)
    else:
        channels_note = ""
    _refuse_misfits(source, wanted, rows)
    heads, kept, head_note = _fit_heads(source, wanted, rows, classes)
    others = {name: tensor for name, tensor in source.tensors.items() if name not in rows}
    model.load_state_dict(others | heads, strict=False)  # old files lack the counters of norms
    kind = "backbone" if backbone_only else "other" if rows else "all"
    counted = f"{len(others)} of {len(others)} {kind} tensors loaded"
    rest = "all else starts fresh" if backbone_only else auxiliary_note
    notes = [note for note in (head_note, counted, rest, channels_note) if note]
    return Loaded(source.label, len(others), kept, "; ".join(notes))


def read_source(spec: str | Path) -> Source:
    """Read `"LIBRARY:PATH"` (.safetensors; see `LIBRARIES`) or a recognizer's or a run's folder.

    Errors: UnknownName for another library, UsageError for a file without one, ArtefactError for
    what is missing, damaged or refused.
    """
    layout, path = _split(str(spec)) if isinstance(spec, str) else ("", Path(spec))
    if layout:
        return _foreign(layout, path)
    if path.is_file():
        raise UsageError(
            f"weights {str(path)!r} is a file, and which library's names it holds is not said",
            expected="a recognizer's folder, or SOURCE:PATH",
            fix=f"write torchvision:{path}",
        )
    return _recognizer(path)


def absolute_source(spec: str) -> str:
    """`spec` with its path made absolute, so that it means the same from every folder."""
    layout, path = _split(spec)
    return f"{layout}:{path.absolute()}" if layout else str(path.absolute())


def layout_of(spec: str) -> str:
    """The library that a file comes from, such as "torchvision"; "" for a recognizer."""
    return _split(spec)[0]


def normalisation_of_file(spec: str, model: str) -> Normalisation | None:
    """How the pictures were normalised that a library's file for `model` was trained on.

    What `manako fetch` wrote into the file, else what holds for all of the library's files of this
    model; None where that is not known. Errors: as for `read_source`.
    """
    layout, path = _split(spec)
    if layout not in LIBRARIES:
        raise UnknownName("source of weights", layout, LIBRARIES)
    origin = load_metadata(_readable(path)).get(ORIGIN)
    if origin is None:
        library = LIBRARIES[layout]
        return library.exceptions.get(model, library.normalisation)
    try:
        saved = json.loads(origin)
        return TypeAdapter(Normalisation).validate_python((saved["mean"], saved["std"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} says in a damaged way where it comes from") from error


def _split(spec: str) -> tuple[str, Path]:
    """The library and the path; one letter before the colon is a drive of Windows."""
    layout, colon, path = spec.partition(":")
    if not colon or len(layout) < 2 or "/" in layout or "\\" in layout:
        return "", Path(spec)
    return layout, Path(path)


def _foreign(layout: str, path: Path) -> Source:
    if layout not in LIBRARIES:
        raise UnknownName("source of weights", layout, LIBRARIES)
    tensors = LIBRARIES[layout].renamed(load_tensors(_readable(path)))
    return Source(f"{layout}:{path}", tensors, foreign=True)


def _readable(path: Path) -> Path:
    """`path`, unless its name tells that it holds more or less than tensors."""
    if path.suffix.lower() in PICKLES:
        raise ArtefactError(
            f"{path} is refused: a {path.suffix} file is a pickle, and loading it could run code",
            expected="a .safetensors file",
            fix="manako fetch gets public weights; one whose origin you trust is converted by "
            "safetensors.torch.save_file(torch.load(path, weights_only=True), 'w.safetensors')",
        )
    if path.suffix.lower() != ".safetensors":
        raise ArtefactError(f"{path} cannot be read", expected="a .safetensors file")
    return path


def _recognizer(folder: Path) -> Source:
    inside = folder / "recognizer"
    if not (folder / SPEC).is_file() and (inside / SPEC).is_file():
        folder = inside
    if not (folder / SPEC).is_file():
        raise ArtefactError(
            f"{folder} is no recognizer: it has no {SPEC}",
            expected="a recognizer's folder, a run's folder, or SOURCE:PATH",
        )
    verify_folder(folder)
    try:
        classes = json.loads((folder / SPEC).read_text(encoding="utf-8"))["classes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder / SPEC} has no list of classes") from error
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ArtefactError(f"{folder / SPEC} has no list of classes")
    return Source(str(folder), load_tensors(folder / WEIGHTS), tuple(classes))


def _backbone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(BACKBONE)}


def _fit_auxiliary(
    source: Source, wanted: Mapping[str, Tensor], parts: Sequence[str]
) -> tuple[Source, Mapping[str, Tensor], str]:
    """Both without the auxiliary `parts` that only one of them has; what was done."""
    theirs = {name for name in source.tensors if belongs(name, parts)}
    ours = {name for name in wanted if belongs(name, parts)}
    if bool(theirs) == bool(ours):
        return source, wanted, ""
    if ours:
        others = {name: tensor for name, tensor in wanted.items() if name not in ours}
        return source, others, "auxiliary heads start fresh, for the source has none"
    kept = {name: tensor for name, tensor in source.tensors.items() if name not in theirs}
    return replace(source, tensors=kept), wanted, "auxiliary heads of the source left out"


def _fit_first_convolution(
    source: Source, wanted: Mapping[str, Tensor], name: str
) -> tuple[Source, str]:
    """Another library's first convolution for as many channels as ours has; what was done.

    Whole sets of channels keep the filters, what is left takes their mean, and all are scaled, so
    that a picture whose channels are alike gives the maps that it gave before.
    """
    theirs, ours = source.tensors.get(name), wanted.get(name)
    if not source.foreign or theirs is None or ours is None or theirs.ndim != 4 or ours.ndim != 4:
        return source, ""
    had, needs = theirs.shape[1], ours.shape[1]
    if had == needs:
        return source, ""
    sets, rest = divmod(needs, had)
    mean = theirs.mean(1, keepdim=True)
    fitted = torch.cat([theirs] * sets + [mean] * rest, dim=1) * (had / needs)
    note = f"first convolution fitted from {had} channels to {needs}"
    return replace(source, tensors={**source.tensors, name: fitted}), note


def _refuse_misfits(
    source: Source, wanted: Mapping[str, Tensor], rows: Mapping[str, ClassRows]
) -> None:
    """Raise where a tensor is missing, unexpected, misshapen or not finite."""
    theirs = source.tensors
    missing = [
        name
        for name in wanted
        if name not in theirs and not (source.foreign and name.endswith(COUNTER))
    ]
    unexpected = [name for name in theirs if name not in wanted]
    misshapen = [
        f"{name} {_kind(theirs[name], ours)} instead of {_kind(ours, theirs[name])}"
        for name, ours in wanted.items()
        if name in theirs and not _fits(theirs[name], ours, rows.get(name))
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    found = [f"{kind}: {_first(names)}" for kind, names in kinds.items() if names]
    if found:
        raise ArtefactError(
            f"{source.label} does not fit the model: {'; '.join(found)}",
            expected="weights of the same architecture; only the head may differ",
            fix="create the model that the file was made for",
        )
    for name, tensor in theirs.items():
        if not tensor.isfinite().all():
            raise ArtefactError(f"{source.label}: {name} holds values that are not finite")


def _fits(theirs: Tensor, ours: Tensor, rows: ClassRows | None) -> bool:
    if theirs.is_floating_point() != ours.is_floating_point() or theirs.ndim != ours.ndim:
        return False
    if rows is None:
        return theirs.shape == ours.shape
    return theirs.shape[1:] == ours.shape[1:] and rows.classes(len(theirs)) >= 1


def _kind(tensor: Tensor, other: Tensor) -> str:
    """What tells `tensor` from `other`: its type where only that differs, else its shape."""
    return f"{tensor.dtype}" if tensor.shape == other.shape else f"{tuple(tensor.shape)}"


def _first(names: Sequence[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _fit_heads(
    source: Source,
    wanted: Mapping[str, Tensor],
    rows: Mapping[str, ClassRows],
    classes: Sequence[str] | None,
) -> tuple[dict[str, Tensor], tuple[str, ...], str]:
    """The tensors that depend on the classes, the names of classes kept, and what was done."""
    if not rows:
        return {}, (), ""
    had = {rows[name].classes(len(source.tensors[name])) for name in rows}
    needs = {rows[name].classes(len(wanted[name])) for name in rows}
    if len(had) != 1 or (source.classes is not None and {len(source.classes)} != had):
        raise ArtefactError(f"{source.label}: its class names and its head do not agree in number")
    if classes is not None and {len(classes)} != needs:
        raise UsageError(f"{len(classes)} class names for a model of {needs.pop()} classes")
    (old_count,), (new_count,) = had, needs
    if source.classes is not None and classes is not None:
        place = {name: old for old, name in enumerate(source.classes)}
        pairs = [(place[name], new) for new, name in enumerate(classes) if name in place]
    else:
        pairs = [(row, row) for row in range(old_count)] if old_count == new_count else []
    heads = {
        name: _move_rows(source.tensors[name], wanted[name], layout, pairs)
        for name, layout in rows.items()
    }
    kept = tuple(source.classes[old] for old, _ in pairs) if source.classes is not None else ()
    return heads, kept, _head_note(pairs, old_count, new_count)


def _move_rows(
    theirs: Tensor, ours: Tensor, rows: ClassRows, pairs: Sequence[tuple[int, int]]
) -> Tensor:
    """`ours`, with the rows `pairs` (theirs, ours) and those of no class taken from `theirs`."""
    moved = ours.clone()
    every = [(row, row) for row in range(rows.before)]
    every += [(rows.before + old, rows.before + new) for old, new in pairs]
    old_rows, new_rows = [old for old, _ in every], [new for _, new in every]
    into = moved.view(rows.groups, -1, *ours.shape[1:])
    into[:, new_rows] = theirs.to(ours).view(rows.groups, -1, *ours.shape[1:])[:, old_rows]
    return moved


def _head_note(pairs: Sequence[tuple[int, int]], old_count: int, new_count: int) -> str:
    if not pairs:
        return f"head replaced ({old_count} -> {new_count} classes)"
    if len(pairs) == old_count == new_count:
        return f"head kept ({new_count} classes)"
    return (
        f"head replaced ({old_count} -> {new_count} classes), rows of {len(pairs)} classes "
        "kept by name"
    )
