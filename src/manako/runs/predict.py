"""A recognizer applied to a user's pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from manako.console.messages import warn
from manako.console.progress import track
from manako.errors import DataError, UsageError
from manako.recognizer import Recognizer
from manako.recognizer.recognizer import read_picture, read_signal
from manako.reports.answers import Answer, Wanted, describe, write_answers
from manako.reports.drawing import draw_prediction
from manako.reports.signal_pictures import shown
from manako.storage.durability import disk_errors, make_folder
from manako.storage.files import expect_file_place, expect_place
from manako.storage.temporary import remove, temporary_path
from manako.structures import Detections, Prediction, Sample

_PNG_SIDE = 1024  # a drawing with a longer side is a JPEG, which takes a tenth of the room
_STEM_LETTERS = 60  # of a picture's name in that of its drawing: file systems allow 255 bytes


@dataclass(frozen=True)
class Seen:
    """A picture with its prediction, or with the reason why it could not be read."""

    name: str
    sample: Sample | None = None
    prediction: Prediction | None = None
    error: str = ""


def see_pictures(
    recognizer: Recognizer, pictures: Sequence[Path], *, batch_size: int
) -> Iterator[Seen]:
    """The predictions for `pictures`, in order.

    One that cannot be read is left out of its batch, the next takes its place: the others are
    answered as if it were not there.
    """
    waiting: list[Seen] = []
    samples: list[Sample] = []
    for path in pictures:
        try:
            sample = _read(recognizer, path)
        except DataError as error:
            waiting.append(Seen(str(path), error=error.what))
        else:
            waiting.append(Seen(str(path), sample))
            samples.append(sample)
        if len(samples) == batch_size:
            yield from _predicted(recognizer, waiting, samples, batch_size)
            waiting, samples = [], []
    yield from _predicted(recognizer, waiting, samples, batch_size)


def _read(recognizer: Recognizer, path: Path) -> Sample:
    form = recognizer.spec.signal
    if form is not None:
        return read_signal(path, form, str(path))
    return read_picture(path, recognizer.spec.channels, "rgb", str(path))


def _predicted(
    recognizer: Recognizer, waiting: Sequence[Seen], samples: Sequence[Sample], batch_size: int
) -> Iterator[Seen]:
    predictions = iter(recognizer.predict_source(samples, batch_size=batch_size))
    for one in waiting:
        if one.sample is None:
            yield one
        else:
            yield Seen(one.name, one.sample, next(predictions)[1])


def predict_pictures(
    recognizer: Recognizer,
    pictures: Sequence[Path],
    *,
    batch_size: int,
    wanted: Wanted | None = None,
    out: Path | None = None,
    csv: Path | None = None,
) -> list[Answer]:
    """The answer for each picture, in order; those that cannot be read are named in a warning.

    With `out`, a new folder, `predictions.csv` and every picture with its answer drawn on it are
    written there, all or nothing; with `csv`, the table alone.

    Errors: UsageError for what does not fit the recognizer, or where `out` exists.
    """
    wanted = wanted or Wanted()
    _check(recognizer, wanted, out, csv)
    task, classes = recognizer.spec.task, recognizer.classes
    answers: list[Answer] = []
    with _new_folder(out) as drawings:
        with track("predicting", total=len(pictures), unit="pictures") as bar:
            digits = len(str(len(pictures)))
            for seen in see_pictures(recognizer, pictures, batch_size=batch_size):
                answers.append(_answer(recognizer, seen, wanted))
                if drawings is not None and seen.prediction is not None:
                    # Numbered, for pictures of one name may come from several folders.
                    name = f"{len(answers):0{digits}d}-{Path(seen.name).stem[:_STEM_LETTERS]}"
                    _draw(recognizer, seen, wanted, drawings / name)
                bar.advance()
        if drawings is not None:
            write_answers(drawings / "predictions.csv", answers, task, classes, wanted)
    if csv is not None:
        write_answers(csv, answers, task, classes, wanted)
    return answers


def _check(recognizer: Recognizer, wanted: Wanted, out: Path | None, csv: Path | None) -> None:
    if out is not None:
        expect_place(out)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists", expected="a new folder for the drawn pictures")
    if csv is not None:
        expect_file_place(csv)
    if wanted.unknown:
        recognizer.expect_unknown_below()
    if wanted.top > 1 and recognizer.spec.task != "classification":
        raise UsageError(
            f"the most probable classes are listed by a recognizer for classification, not for "
            f"{recognizer.spec.task}",
            fix="leave --top out",
        )


def _answer(recognizer: Recognizer, seen: Seen, wanted: Wanted) -> Answer:
    if seen.prediction is None:
        warn(seen.error)
        return {"picture": seen.name, "error": seen.error}
    unknown = wanted.unknown and recognizer.is_unknown(seen.prediction)
    return describe(seen.name, seen.prediction, recognizer.classes, wanted, unknown)


def _draw(recognizer: Recognizer, seen: Seen, wanted: Wanted, path: Path) -> None:
    """Write the picture with its answer to `path` with the ending of a picture."""
    if seen.sample is None or seen.prediction is None:
        raise ValueError(f"{seen.name} was not read")
    prediction = seen.prediction
    if isinstance(prediction, Detections):
        prediction = prediction.above(wanted.least_score)
    drawn = draw_prediction(
        shown(seen.sample.image),
        prediction,
        recognizer.classes,
        top=wanted.top,
        is_unknown=wanted.unknown and recognizer.is_unknown(prediction),
    )
    if max(drawn.size) <= _PNG_SIDE:
        drawn.save(path.with_name(path.name + ".png"))
    else:
        drawn.save(path.with_name(path.name + ".jpg"), quality=90)


@contextmanager
def _new_folder(target: Path | None) -> Iterator[Path | None]:
    """A folder to fill that gets the name `target` at the end, and goes if there is an error."""
    if target is None:
        yield None
        return
    temporary = temporary_path(target)
    with disk_errors(target):
        try:
            make_folder(target.parent)
            temporary.mkdir()
            yield temporary
            temporary.rename(target)
        finally:
            remove(temporary)
