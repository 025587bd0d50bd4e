"""The one path from pictures to predictions, for validation and use alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from manako.config.signal_form import SignalForm
from manako.data.decode import decode_image, pixels_of
from manako.data.loader import SampleSource, evaluation_batches
from manako.data.signals.reading import represented, signal_at, signal_of
from manako.errors import DataError, NumericError, UnknownName, UsageError
from manako.models.dimensions import channels_last
from manako.recognizer.evaluation import EVALUATION_BATCH, evaluate_data
from manako.recognizer.folder import read_folder, save_folder_of
from manako.recognizer.spec import RecognizerSpec
from manako.structures import (
    AnchorRaw,
    Batch,
    ClassPrediction,
    ClassRaw,
    Frame,
    Prediction,
    Sample,
    Scores,
)
from manako.tasks import Task, create_task

Picture = str | Path | bytes | Image.Image | np.ndarray[Any, Any] | Tensor
Colour = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class Pictures:
    """Pictures of a caller as samples without truth; decoded when asked for."""

    pictures: Sequence[Picture]
    channels: int
    colour: Colour = "rgb"

    def __post_init__(self) -> None:
        if self.colour not in get_args(Colour):
            raise UnknownName("order of colours", str(self.colour), get_args(Colour))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        return read_picture(self.pictures[index], self.channels, self.colour, f"picture {index}")


@dataclass(frozen=True)
class Signals:
    """Signals or volumes of a caller as samples without truth; read when asked for."""

    signals: Sequence[Picture]
    form: SignalForm

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, index: int) -> Sample:
        return read_signal(self.signals[index], self.form, f"signal {index}")


class Recognizer:
    """A network, the names of its answers, and the way pictures are brought to it.

    Predictions are computed in float32 on `device`, and are the same bits for the same pictures in
    the same batch size, whether they come through `predict`, `evaluate` or a training run.
    """

    def __init__(self, model: nn.Module, spec: RecognizerSpec, device: str = "cpu") -> None:
        self.spec = spec
        self.task: Task = create_task(spec.task, spec.classes, **spec.thresholds)
        self.device = torch.device(device)
        self.model = channels_last(model.to(self.device))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.spec.classes

    @property
    def unknown_below(self) -> float | None:
        """The top probability below which a picture may be called unknown, where one is stored.

        5 % of the validation pictures that were recognized rightly fall below it.
        """
        return self.spec.thresholds.get("unknown_below")

    def is_unknown(self, prediction: Prediction) -> bool:
        """Whether `prediction` is less sure than the stored threshold; never where none is."""
        below = self.unknown_below
        return (
            below is not None
            and isinstance(prediction, ClassPrediction)
            and prediction.is_unknown(below)
        )

    def expect_unknown_below(self) -> float:
        """The stored threshold of the unknown, refused as `UsageError` where there is none."""
        below = self.unknown_below
        if below is not None:
            return below
        if self.spec.task == "classification":
            fix = "train anew with more validation pictures, or leave --unknown out"
            raise UsageError("the recognizer has no threshold for unknown pictures", fix=fix)
        raise UsageError(
            f"unknown pictures are told by a recognizer for classification, not for "
            f"{self.spec.task}",
            fix="leave --unknown out",
        )

    def __call__(self, picture: Picture, color: Colour = "rgb") -> Prediction:
        """The prediction for one picture: a path, encoded bytes, a Pillow image, or an array.

        An array is uint8 [H, W, C] or [H, W], a tensor uint8 [C, H, W]; both are RGB unless
        `color="bgr"`.
        """
        return self.predict([picture], color=color)[0]

    def predict(
        self,
        pictures: Sequence[Picture],
        *,
        batch_size: int = EVALUATION_BATCH,
        color: Colour = "rgb",
    ) -> list[Prediction]:
        """One prediction for each picture, in order.

        A recognizer of signals or volumes takes paths (also `FILE.ts#3` and folders of slices), and
        arrays [channels, *size] in its rate; of sounds from -1 to 1, or in whole numbers as sound
        cards give them.
        """
        if isinstance(pictures, str | Path | bytes | Image.Image) or (
            self.spec.signal is None and getattr(pictures, "ndim", 4) < 4
        ):
            raise UsageError(
                f"one {type(pictures).__name__} where several pictures are expected",
                expected="a list of them",
                fix="predict([picture]), or call the recognizer itself for one",
            )
        source: SampleSource
        if self.spec.signal is not None:
            source = Signals(pictures, self.spec.signal)
        else:
            source = Pictures(pictures, self.spec.channels, color)
        return [prediction for _, prediction in self.predict_source(source, batch_size=batch_size)]

    def evaluate(self, data: str | Path, split: str | None = None) -> Scores:
        """The scores on a data set, with intervals; see `evaluate_data`."""
        return evaluate_data(self, data, split=split).evaluation.scores

    def save(self, path: str | Path) -> None:
        """Write the recognizer to the folder `path`, whole or not at all."""
        save_folder_of(self.model, self.spec, Path(path))

    def predict_source(
        self, source: SampleSource, *, batch_size: int = EVALUATION_BATCH, workers: int = 0
    ) -> Iterator[tuple[str, Prediction]]:
        """Name and prediction of each sample of `source`, in order."""
        batches = evaluation_batches(
            source, self.spec.preparation, batch_size=batch_size, workers=workers
        )
        for batch in batches:
            yield from zip(batch.names, self.predict_batch(batch), strict=True)

    def predict_batch(self, batch: Batch) -> Sequence[Prediction]:
        """The predictions for a prepared batch."""
        return self.decode(self.raw_output(batch), batch.frames)

    @torch.inference_mode()
    def decode(self, raw: Any, frames: Sequence[Frame]) -> Sequence[Prediction]:
        """The predictions that raw output stands for: the only place that applies thresholds."""
        return self.task.decode(raw, frames)

    @torch.inference_mode()
    def raw_output(self, batch: Batch) -> Any:
        """What the network says of a prepared batch, with that of the mirrored pictures where the
        recognizer takes their mean: the only place where a recognizer computes."""
        images = self.spec.preparation.normalise(batch.images.to(self.device))
        was_training = self.model.training
        self.model.eval()
        try:
            raw = self.model(images)
            if self.spec.mirror:
                raw = self.task.mean_of_mirrored(raw, self.model(images.flip(-1)))
        finally:
            self.model.train(was_training)
        if not all(bool(torch.isfinite(one).all()) for one in _tensors(raw)):
            raise NumericError(
                f"the network's answer is not a finite number, in a batch with {batch.names[0]}",
                fix="train anew with a smaller learning rate",
            )
        return raw


def load_recognizer(folder: Path | str, device: str = "cpu") -> Recognizer:
    """The recognizer in `folder`, or in that of its run.

    Errors: `ArtefactError` if a byte of it has changed, or if it is no recognizer.
    """
    model, spec = read_folder(Path(folder))
    return Recognizer(model, spec, device)


def read_picture(picture: Picture, channels: int, colour: Colour, name: str) -> Sample:
    """A picture in any of the accepted forms as a sample without truth."""
    if isinstance(picture, str | Path):
        path = Path(picture)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"cannot read {path}: {error.strerror or error}",
                expected="a picture file",
            ) from error
        return Sample(decode_image(data, str(path), channels), None, str(path))
    if isinstance(picture, bytes):
        return Sample(decode_image(picture, name, channels), None, name)
    if isinstance(picture, Image.Image):
        return Sample(pixels_of(picture, name, channels), None, name)
    if not isinstance(picture, np.ndarray | Tensor):
        raise UsageError(
            f"{name} is of type {type(picture).__name__}",
            expected="a path, encoded bytes, a Pillow image, a NumPy array or a tensor",
        )
    image = _as_image(picture, name)
    if colour == "bgr" and image.shape[0] == 3:
        image = image.flip(0)
    return Sample(_with_channels(image, channels), None, name)


def read_signal(given: Picture, form: SignalForm, name: str) -> Sample:
    """A signal or volume, a path (see `signal_at`) or an array [C, *size], as a sample."""
    if isinstance(given, str | Path):
        path = Path(given)
        return Sample(represented(signal_at(path), form, str(path)), None, str(path))
    if not isinstance(given, np.ndarray | Tensor):
        raise UsageError(
            f"{name} is of type {type(given).__name__}",
            expected="a path, a NumPy array or a tensor, [channels, *size]",
        )
    signal = signal_of(np.asarray(given), form, name)
    return Sample(represented(signal, form, name), None, name)


def _as_image(picture: np.ndarray[Any, Any] | Tensor, name: str) -> Tensor:
    if isinstance(picture, np.ndarray):
        array = picture[:, :, None] if picture.ndim == 2 else picture
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))
        layout = "[H, W, 3], [H, W, 1] or [H, W]"
    else:
        image, layout = picture, "[3, H, W] or [1, H, W]"
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.dtype != torch.uint8:
        raise UsageError(
            f"{name} is {picture.dtype} of shape {tuple(picture.shape)}",
            expected=f"uint8 of shape {layout}",
        )
    return image


def _with_channels(image: Tensor, channels: int) -> Tensor:
    """RGB as grey by ITU-R 601-2 luma, as the picture decoder does; grey as RGB by repetition."""
    if image.shape[0] == channels:
        return image
    if channels == 3:
        return image.expand(3, -1, -1)
    red, green, blue = image.to(torch.int32)
    luma: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return luma.to(torch.uint8)[None]


def _tensors(raw: Tensor | ClassRaw | AnchorRaw) -> Iterable[Tensor]:
    return (raw,) if isinstance(raw, Tensor) else raw.learned
