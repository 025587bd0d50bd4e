"""A recognizer applied to a user's pictures."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from manako.console.messages import warn
from manako.console.progress import track
from manako.data.names import PICTURE_SUFFIXES, is_ignored, is_picture
from manako.data.signals.addresses import SUFFIXES, is_signal
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


class Kind(NamedTuple):
    """What is looked for in folders."""

    name: str
    suffixes: Iterable[str]
    is_one: Callable[[str], bool]


PICTURES = Kind("picture", PICTURE_SUFFIXES, is_picture)
SIGNALS = Kind("signal", SUFFIXES, is_signal)


def find_pictures(inputs: Sequence[Path], kind: Kind = PICTURES) -> list[Path]:
    """The files of a kind that `inputs` mean, in their order, each once.

    A file is taken as it is; of a folder, the pictures in it and below, sorted by path. Where
    neither is there, the name is a pattern, as shells have them (`*`, `?`, `[ab]`), with `**` for
    any folders; of what it matches, pictures and the pictures of folders are taken. Hidden files
    and those that systems leave behind are left out.

    Errors: DataError naming the input for which none was found.
    """
    found: dict[str, Path] = {}
    for path in inputs:
        for picture in _pictures_of(path, kind):
            found.setdefault(os.path.abspath(picture), picture)  # noqa: PTH100 - resolves no links
    return list(found.values())


def _pictures_of(path: Path, kind: Kind) -> list[Path]:
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise DataError(
            f"cannot look at {path}: {error.strerror or error}",
            expected=f"a {kind.name}, a folder of them or a pattern",
        ) from error
    if is_folder:
        inside = _inside(path, kind)
        if not inside:
            raise DataError(
                f"the folder {path} has no {kind.name} in it or below",
                expected="files that end in " + ", ".join(sorted(kind.suffixes)),
            )
        return inside
    if is_there:
        return [path]
    if not glob.has_magic(str(path)):
        raise DataError(
            f"there is no file {path}", expected=f"a {kind.name}, a folder of them or a pattern"
        )
    pictures = _matched(path, kind)
    if not pictures:
        raise DataError(
            f"the pattern {path} matches no {kind.name}",
            expected="files that end in " + ", ".join(sorted(kind.suffixes)),
        )
    return pictures


def _matched(pattern: Path, kind: Kind) -> list[Path]:
    """The pictures among what `pattern` matches, and those of the folders among it.

    What stands before the first wildcard is taken as it is, a folder `photos[1]` that is there too.
    """
    fixed = Path()
    rest = list(pattern.parts)
    while rest and (not glob.has_magic(rest[0]) or (fixed / rest[0]).exists()):
        fixed /= rest.pop(0)
    wanted = str(Path(glob.escape(str(fixed)), *rest))
    matches = [Path(one) for one in sorted(glob.glob(wanted, recursive=True))]  # noqa: PTH207
    return [
        picture
        for match in matches
        for picture in (_inside(match, kind) if match.is_dir() else [match])
        if kind.is_one(picture.name) and not is_ignored(_named(picture.relative_to(fixed)))
    ]


def _named(path: Path) -> str:
    """A path without its steps up, which are no hidden names."""
    return "/".join(part for part in path.parts if part != "..")


def _inside(folder: Path, kind: Kind) -> list[Path]:
    return sorted(
        one
        for one in folder.rglob("*")
        if kind.is_one(one.name) and not is_ignored(str(one.relative_to(folder))) and one.is_file()
    )


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
