"""Every model by name, in one table.

>>> list_models(task="segmentation")
['unet', 'unet_bn']
>>> create_model("quik32")
Traceback (most recent call last):
manako.errors.UnknownName: no model 'quik32'; did you mean 'quick32'?
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from manako.console.messages import say
from manako.errors import UnknownName, UsageError
from manako.models.backbones.lenet5 import LeNet5
from manako.models.backbones.quick32 import Quick32, Quick32Features
from manako.models.backbones.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from manako.models.backbones.resnet_cifar import CifarResNet
from manako.models.classifier import Classifier
from manako.models.protocols import Backbone
from manako.models.ssd import SSD
from manako.models.unet import unet, unet_bn
from manako.models.weights import load_source, read_source

Task = Literal["classification", "detection", "segmentation"]
TASKS: tuple[Task, ...] = ("classification", "detection", "segmentation")


@dataclass(frozen=True)
class Paper:
    """Where a model comes from; `arxiv` is the number, empty for papers that are not there."""

    title: str
    year: int
    arxiv: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    `build(num_classes=, in_channels=, **options)` makes the network; its other keyword-only
    parameters are the options. `params` counts all weights, frozen ones included, of the network
    with `num_classes` and `in_channels`; `size_hw` in pixels is what it is made for; `reference`
    is the public implementation or text that it follows; `layouts` are the libraries whose weight
    files fit.
    """

    build: Callable[..., nn.Module]
    task: Task
    paper: Paper
    params: int
    num_classes: int
    size_hw: tuple[int, int]
    reference: str
    in_channels: int = 3
    layouts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is made.

    `params` and `macs` (multiply-adds for one picture of `size_hw` pixels; convolutions and
    matrix products, nothing else) hold for `num_classes` and `in_channels`. `weights` are the
    sources that `create_model` reads.
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

    @property
    def year(self) -> int:
        """The year of the paper."""
        return self.paper.year

    @cached_property
    def macs(self) -> int:
        """Multiply-adds for one picture, counted when first asked for, without computing them."""
        entry = MODELS[self.name]
        with torch.device("meta"):
            model = entry.build(num_classes=self.num_classes, in_channels=self.in_channels).eval()
            images = torch.zeros(1, self.in_channels, *self.size_hw)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(images)
        return int(counter.get_total_flops()) // 2


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
    )


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    weights: str | Path | None = None,
    **options: Any,
) -> nn.Module:
    """A network by name, its weights drawn from torch's generator or read from a file.

    Args:
        name: one of `list_models()`.
        num_classes: classes without a background; where it is not given, those of the recognizer
            that `weights` names, else those of the reference (`model_info(name).num_classes`).
        in_channels: 3 for RGB, 1 for grey.
        weights: `"torchvision:PATH"` or a recognizer's folder; see `weights.load_source`. What
            was loaded is said on stderr.
        options: those of the model (`model_info(name).options`).

    Raises:
        UnknownName: no such model, or no such library in `weights`.
        UsageError: an option that the model does not have, or a value that cannot be.
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
    if source is not None:
        say(f"{name}: {load_source(model, source).message}")
    return model


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


def _classifier(
    backbone: Callable[[int], Backbone], /, *, num_classes: int, in_channels: int
) -> Classifier:
    return Classifier(backbone(in_channels), num_classes)


def _cifar(depth: int, /, *, num_classes: int, in_channels: int) -> Classifier:
    return Classifier(CifarResNet(depth, in_channels), num_classes)


def _quick32(
    *,
    num_classes: int,
    in_channels: int,
    width: int = 48,
    bn_momentum: float = 0.4,
    bn_eps: float = 1e-5,
) -> Quick32:
    features = Quick32Features(in_channels, width=width, bn_momentum=bn_momentum, bn_eps=bn_eps)
    return Quick32(features, num_classes)


def _ssd(
    backbone: Callable[[int], Backbone],
    /,
    *,
    num_classes: int,
    in_channels: int,
    size_factor: float = 3.0,
    wide_ratios: bool = False,
) -> SSD:
    return SSD(backbone(in_channels), num_classes, size_factor=size_factor, wide_ratios=wide_ratios)


LENET = Paper("Gradient-Based Learning Applied to Document Recognition", 1998)
RESNET = Paper("Deep Residual Learning for Image Recognition", 2016, "1512.03385")
QUICK32 = Paper("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, "2404.00498")
SSD_PAPER = Paper("SSD: Single Shot MultiBox Detector", 2016, "1512.02325")
UNET = Paper("U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015, "1505.04597")
TORCHVISION = ("torchvision",)


def _imagenet(backbone: Callable[[int], Backbone], params: int) -> Entry:
    return Entry(
        build=partial(_classifier, backbone),
        task="classification",
        paper=RESNET,
        params=params,
        num_classes=1000,
        size_hw=(224, 224),
        reference=f"torchvision.models.{backbone.__name__}",
        layouts=TORCHVISION,
    )


def _cifar10(depth: int, params: int) -> Entry:
    return Entry(
        build=partial(_cifar, depth),
        task="classification",
        paper=RESNET,
        params=params,
        num_classes=10,
        size_hw=(32, 32),
        reference=f"akamaster/pytorch_resnet_cifar10 resnet{depth}",
    )


def _voc(backbone: Callable[[int], Backbone], params: int) -> Entry:
    return Entry(
        build=partial(_ssd, backbone),
        task="detection",
        paper=SSD_PAPER,
        params=params,
        num_classes=20,
        size_hw=(300, 300),
        reference=f"own form on torchvision.models.{backbone.__name__}",
        layouts=TORCHVISION,
    )


MODELS: dict[str, Entry] = {
    "lenet5": Entry(
        build=LeNet5,
        task="classification",
        paper=LENET,
        params=61_706,
        num_classes=10,
        in_channels=1,
        size_hw=(28, 28),
        reference="layer list of d2l.ai, section 7.6",
    ),
    "quick32": Entry(
        build=_quick32,
        task="classification",
        paper=QUICK32,
        params=1_113_312,
        num_classes=10,
        size_hw=(32, 32),
        reference="own form after KellerJordan/cifar10-airbench",
    ),
    "resnet18": _imagenet(resnet18, 11_689_512),
    "resnet34": _imagenet(resnet34, 21_797_672),
    "resnet50": _imagenet(resnet50, 25_557_032),
    "resnet101": _imagenet(resnet101, 44_549_160),
    "resnet152": _imagenet(resnet152, 60_192_808),
    "resnet20": _cifar10(20, 269_722),
    "resnet32": _cifar10(32, 464_154),
    "resnet44": _cifar10(44, 658_586),
    "resnet56": _cifar10(56, 853_018),
    "resnet110": _cifar10(110, 1_727_962),
    "ssd_resnet18": _voc(resnet18, 12_574_928),
    "ssd_resnet34": _voc(resnet34, 22_683_088),
    "ssd_resnet50": _voc(resnet50, 27_522_256),
    "ssd_resnet101": _voc(resnet101, 46_514_384),
    "ssd_resnet152": _voc(resnet152, 62_158_032),
    "unet": Entry(
        build=unet,
        task="segmentation",
        paper=UNET,
        params=31_030_658,
        num_classes=2,
        in_channels=1,
        size_hw=(512, 512),
        reference="layer list of the paper, figure 1, padded",
    ),
    "unet_bn": Entry(
        build=unet_bn,
        task="segmentation",
        paper=UNET,
        params=3_791_754,
        num_classes=10,
        size_hw=(512, 512),
        reference="sg-nm/image-recognition chap06/unet.py",
    ),
}
