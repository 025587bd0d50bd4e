"""Every model by name, in one table.

>>> list_models(task="segmentation")
['unet', 'unet_bn']
>>> create_model("quik32")
Traceback (most recent call last):
manako.errors.UnknownName: no model 'quik32'; did you mean 'quick32'?
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from manako.console.messages import say
from manako.errors import UnknownName, UsageError
from manako.models.dimensions import Dimensions, to_dimensions
from manako.models.entry import TASKS, Entry, Paper, Task
from manako.models.foreign.libraries import LIBRARIES
from manako.models.foreign.published import PUBLISHED, Published
from manako.models.protocols import FixedSize, WholeModel
from manako.models.receptive_field import receptive_field
from manako.models.shapes_only import MultiplyAdds, NoStartingValues, QuickNorms
from manako.models.table import MODELS
from manako.models.weights import load_source, read_source

OWN_LICENCE = "the trainer's, and what the pictures it learned from allow"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is made.

    `params` and `macs` (multiply-adds for one picture of `size_hw` pixels; convolutions and
    matrix products, nothing else) hold for `num_classes` and `in_channels`. `least_side` is the
    least height and width in pixels. `weights` are the sources that `create_model` reads, and
    `licences` says for each whose terms they come with; manako itself brings no weights.
    `published` are the public files that `manako fetch` knows.
    """

    name: str
    task: Task
    paper: Paper
    params: int
    num_classes: int
    in_channels: int
    size_hw: tuple[int, int]
    reference: str
    options: Mapping[str, Any]
    weights: tuple[str, ...]
    licences: Mapping[str, str]
    published: tuple[Published, ...]

    @property
    def year(self) -> int:
        """The year of the paper."""
        return self.paper.year

    @cached_property
    def macs(self) -> int:
        """Multiply-adds for one picture, counted when first asked for, without computing them."""
        images = torch.zeros(1, self.in_channels, *self.size_hw, device="meta")
        counter = MultiplyAdds()
        with torch.no_grad(), counter, QuickNorms():
            self._network(images)
        return counter.count

    @cached_property
    def receptive_field(self) -> int | None:
        """The side in pixels of the square that one unit of the last map can see, None if all.

        Computed when first asked for; see `seen_by_last_map`.
        """
        return seen_by_last_map(self._network, self.in_channels)

    @property
    def least_side(self) -> int:
        """The least height and width in pixels of pictures that the model takes."""
        assert isinstance(self._network, WholeModel)
        return self._network.least_side

    @cached_property
    def _network(self) -> nn.Module:
        return create_without_values(
            self.name, num_classes=self.num_classes, in_channels=self.in_channels
        )


def seen_by_last_map(network: nn.Module, in_channels: int, dims: Dimensions = 2) -> int | None:
    """The side in pixels of the square that a unit of the last map can see, None if all.

    Of a network on torch's meta device; which map is the last, see
    `manako.models.receptive_field.receptive_field`.
    """
    assert isinstance(network, WholeModel)
    return receptive_field(
        network,
        in_channels,
        dims=dims,
        multiple=network.size_multiple,
        fixed_width=network.fixed_size_hw[1] if isinstance(network, FixedSize) else None,
    )


def list_models(task: str | None = None, pattern: str = "*") -> list[str]:
    """Names of the table, in its order: of one task, and matching a shell pattern.

    >>> list_models(pattern="ssd_resnet1*")
    ['ssd_resnet18', 'ssd_resnet101', 'ssd_resnet152']
    """
    if task is not None and task not in TASKS:
        raise UnknownName("task", task, TASKS)
    return [
        name
        for name, entry in MODELS.items()
        if task in (None, entry.task) and fnmatchcase(name, pattern)
    ]


def model_info(name: str) -> ModelInfo:
    """Task, paper, size and cost of a model. Raises UnknownName.

    >>> info = model_info("resnet20")
    >>> info.params, info.macs, info.paper.arxiv
    (269722, 40551040, '1512.03385')
    """
    entry = _entry(name)
    return ModelInfo(
        name=name,
        task=entry.task,
        paper=entry.paper,
        params=entry.params,
        num_classes=entry.num_classes,
        in_channels=entry.in_channels,
        size_hw=entry.size_hw,
        reference=entry.reference,
        options={key: parameter.default for key, parameter in _options(entry).items()},
        weights=("recognizer", *entry.layouts),
        licences={
            "recognizer": OWN_LICENCE,
            **{layout: LIBRARIES[layout].licence for layout in entry.layouts},
        },
        published=tuple(one for one in PUBLISHED if one.model == name),
    )


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    dims: Dimensions = 2,
    weights: str | Path | None = None,
    **options: Any,
) -> nn.Module:
    """A network by name, its weights drawn from torch's generator or read from a file.

    Args:
        name: one of `list_models()`.
        num_classes: classes without a background; where it is not given, those of the recognizer
            that `weights` names, else those of the reference (`model_info(name).num_classes`).
        in_channels: 3 for RGB, 1 for grey; the channels of a signal or volume.
        dims: 2 for pictures, 1 for signals [B, C, L], 3 for volumes [B, C, D, H, W]; see
            `manako.models.dimensions`.
        weights: a library's file, such as `"torchvision:PATH"`, or a recognizer's folder; see
            `weights.load_source`. What was loaded is said on stderr.
        options: those of the model (`model_info(name).options`).

    Raises:
        UnknownName: no such model, or no such library in `weights`.
        UsageError: an option that the model does not have, a value that cannot be, or a network
            that is known for pictures only.
        ArtefactError: weights that are missing, damaged, refused or of another architecture.
    """
    entry = _entry(name)
    chosen = {key: _option(name, entry, key, value) for key, value in options.items()}
    source = None if weights is None else read_source(weights)
    if num_classes is None:
        known = source.classes if source is not None else None
        num_classes = entry.num_classes if known is None else len(known)
    for what, count in (("num_classes", num_classes), ("in_channels", in_channels)):
        if count < 1:
            raise UsageError(f"{what} must be 1 or more, not {count}")
    model = entry.build(num_classes=num_classes, in_channels=in_channels, **chosen)
    model = to_dimensions(name, model, dims)
    if source is not None:
        say(f"{name}: {load_source(model, source).message}")
    return model


def create_without_values(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    dims: Dimensions = 2,
    **options: Any,
) -> nn.Module:
    """What `create_model` gives, in evaluation and on torch's meta device: shapes, no values.

    >>> create_without_values("resnet18").head.weight.device
    device(type='meta')
    """
    with torch.device("meta"), NoStartingValues():
        network = create_model(
            name, num_classes=num_classes, in_channels=in_channels, dims=dims, **options
        )
    return network.eval()


def _entry(name: str) -> Entry:
    if name not in MODELS:
        raise UnknownName("model", name, MODELS)
    return MODELS[name]


def _options(entry: Entry) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of the builder, but for those that every model has."""
    parameters = inspect.signature(entry.build, eval_str=True).parameters
    return {
        key: parameter
        for key, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and key not in ("num_classes", "in_channels")
    }


def _option(name: str, entry: Entry, key: str, value: Any) -> Any:
    """The value in the type that the builder declares."""
    known = _options(entry)
    if key not in known:
        has = ", ".join(f"{one}={p.default!r}" for one, p in known.items()) or "none"
        raise UsageError(f"{name} has no option {key!r}", expected=f"its options: {has}")
    try:
        return TypeAdapter(known[key].annotation).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise UsageError(f"option {key}={value!r} of {name}: {message}") from error
