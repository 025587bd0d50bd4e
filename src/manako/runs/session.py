"""A run at work: settings and open data, and the parts that are built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

import manako
from manako.config.settings import Settings
from manako.console.messages import say
from manako.data.evenly import evenly_spaced
from manako.data.exclusion import parse_exclude_file
from manako.data.loader import AnyPreparation, SampleSource
from manako.data.opened import OpenData
from manako.data.preparation import Preparation
from manako.data.signals.preparation import SignalPreparation
from manako.data.signals.source import SignalSource, measure_signals
from manako.data.signals.transforms import SignalStrengths, signal_pipeline
from manako.data.transforms import Mixing, Pipeline
from manako.data.transforms.presets import augmentation
from manako.errors import ArtefactError
from manako.models.dimensions import channels_last
from manako.models.protocols import DataInitialised
from manako.models.weights import load_weights
from manako.models.zoo import create_model
from manako.recognizer import EVALUATION_BATCH, Recognizer, RecognizerSpec, evaluate
from manako.runs.folder import RunFolder
from manako.runs.look import balanced_weights, measure_normalisation
from manako.runs.pretrained import normalisation_of
from manako.structures import Scores
from manako.tasks import Task, create_task
from manako.training.checkpoints import Checkpoints
from manako.training.distribution import Processes
from manako.training.journal import Journal
from manako.training.loop import Parts
from manako.training.precision import seeded

_PICTURES_TO_START = 1000  # that a data-initialised network may look at


@dataclass(frozen=True)
class Facts:
    """What a run must find again when it goes on: measured once, kept in `run.json`.

    `excluded` are the paths of its list of pictures to leave out.
    """

    classes: tuple[str, ...]
    data_fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_weights: tuple[float, ...] | None = None
    excluded: tuple[str, ...] = ()

    @classmethod
    def measured(cls, settings: Settings, data: OpenData) -> Facts:
        """The facts of the open data."""
        mean, std = _normalisation(settings, data.source("train"))
        balanced = settings.class_weights == "balanced"
        excluded = () if settings.exclude is None else parse_exclude_file(settings.exclude)
        return cls(
            classes=data.dataset.classes,
            data_fingerprint=data.dataset.fingerprint(),
            mean=mean,
            std=std,
            class_weights=balanced_weights(data.dataset) if balanced else None,
            excluded=tuple(sorted(excluded)),
        )

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Facts:
        """The facts that `as_json` wrote; an `ArtefactError` if one is missing or no such fact."""
        known = {one.name for one in fields(cls)}
        try:
            return TypeAdapter(cls).validate_python(
                {name: value for name, value in saved.items() if name in known}
            )
        except ValidationError as error:
            first = error.errors()[0]
            what = "has no entry" if first["type"] == "missing" else "is damaged in its entry"
            raise ArtefactError(
                f"run.json {what} {first['loc'][0]!r}", expected=first["msg"], fix="train anew"
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The facts as a JSON object."""
        return {**vars(self), "manako_version": manako.__version__}


@dataclass(frozen=True)
class Session:
    """Settings, facts and data of a run that is being carried out."""

    settings: Settings
    facts: Facts
    data: OpenData
    processes: Processes

    @property
    def task(self) -> Task:
        """The task with the options that matter in training."""
        smoothing, weights = self.settings.label_smoothing, self.facts.class_weights
        options: dict[str, Any] = {"label_smoothing": smoothing} if smoothing else {}
        if weights is not None:
            options["class_weights"] = weights
        return create_task(self.settings.task, self.facts.classes, **options)

    @property
    def preparation(self) -> AnyPreparation:
        """The one way a picture becomes input of the network."""
        return _preparation(self.settings, self.facts.mean, self.facts.std)

    def recognizer(self, model: nn.Module, scores: Scores | None = None) -> Recognizer:
        """`model` with its labels and preprocessing."""
        settings, facts = self.settings, self.facts
        spec = RecognizerSpec(
            manako_version=manako.__version__,
            task=settings.task,
            model=settings.model,
            model_options=settings.model_options,
            classes=facts.classes,
            size_hw=settings.size_hw,
            rule=settings.rule,
            colour_order="rgb" if settings.channels == 3 else "grey",
            mean=facts.mean,
            std=facts.std,
            mirror=settings.mirror,
            thresholds=dict(self.task.thresholds),
            split_seed=settings.seed,
            group_by=settings.group_by,
            fold=settings.fold,
            signal=settings.signal,
            scores=None if scores is None else scores.as_json(),
            data_fingerprint=facts.data_fingerprint,
            excluded=facts.excluded,
        )
        return Recognizer(model, spec, settings.device)

    def validate(self, model: nn.Module) -> Scores:
        """The scores of `model` on the validation pictures, without intervals."""
        return evaluate(
            self.recognizer(model),
            self.data.source("val"),
            batch_size=EVALUATION_BATCH,
            intervals=False,
        ).scores

    def empty_model(self) -> nn.Module:
        """The network with weights that do not matter: those of a checkpoint are to follow."""
        settings = self.settings
        options: dict[str, Any] = dict(settings.model_options)
        with seeded(settings.seed):
            model = create_model(
                settings.model,
                num_classes=len(self.facts.classes),
                in_channels=settings.channels,
                dims=settings.signal.dims if settings.signal else 2,
                **options,
            )
        return channels_last(model.to(settings.device))

    def new_model(self, *, announce: bool = False) -> nn.Module:
        """The network at the start of the run: a function of the settings and the data alone.

        `announce` says what was found in the weights that it starts from.
        """
        model = self.empty_model()
        if self.settings.weights is not None:
            loaded = load_weights(model, self.settings.weights, classes=self.facts.classes)
            if announce:
                say(loaded.message)
        elif isinstance(model, DataInitialised):
            model.init_from_images(self._first_images())
        return model

    def parts(self, folder: RunFolder) -> Parts:
        """What the loop needs."""
        settings = self.settings
        return Parts(
            settings=settings,
            task=self.task,
            source=self.data.source("train"),
            pipeline=_pipeline(settings, self.facts),
            mixing=_mixing(settings),
            preparation=self.preparation,
            validate=self.validate,
            checkpoints=Checkpoints(folder.checkpoints),
            journal=Journal(folder.journal),
            processes=self.processes,
        )

    def _first_images(self) -> torch.Tensor:
        source, preparation = self.data.source("train"), self.preparation
        chosen = evenly_spaced(source, _PICTURES_TO_START)
        images = [preparation.prepare(sample.image)[0] for sample in chosen]
        return preparation.normalise(torch.stack(images))


def _normalisation(
    settings: Settings, source: SampleSource
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel."""
    if isinstance(source, SignalSource):
        return measure_signals(source)
    channels = settings.channels
    plain = _of_pictures(settings, mean=(0.0,) * channels, std=(1.0,) * channels)
    # What weights have learned, they have learned of pictures normalised in one way.
    return normalisation_of(settings) or measure_normalisation(source, plain)


def _pipeline(settings: Settings, facts: Facts) -> Pipeline:
    if settings.signal is not None:
        strengths = SignalStrengths().changed(settings.augment_options)
        return signal_pipeline(settings.signal, strengths, facts.mean, facts.std)
    return Pipeline(
        augmentation(
            settings.augment,
            settings.task,
            settings.size_hw,
            settings.rule,
            **settings.augment_options,
        )
    )


def _mixing(settings: Settings) -> Mixing | None:
    mixed = settings.mixup > 0 or settings.cutmix > 0
    return Mixing(mixup=settings.mixup, cutmix=settings.cutmix) if mixed else None


def _preparation(
    settings: Settings, mean: tuple[float, ...], std: tuple[float, ...]
) -> AnyPreparation:
    if settings.signal is not None:
        return SignalPreparation(settings.signal, mean, std)
    return _of_pictures(settings, mean, std)


def _of_pictures(
    settings: Settings, mean: tuple[float, ...], std: tuple[float, ...]
) -> Preparation:
    return Preparation(
        size_hw=settings.size_hw,
        rule=settings.rule,
        channels=settings.channels,
        mean=mean,
        std=std,
    )
