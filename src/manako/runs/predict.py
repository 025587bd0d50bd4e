"""A recognizer applied to a user's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from manako.console.progress import track
from manako.data.names import PICTURE_SUFFIXES
from manako.errors import DataError, UsageError
from manako.recognizer import Recognizer
from manako.recognizer.recognizer import Pictures, read_picture
from manako.reports.drawing import draw_prediction
from manako.reports.predictions_csv import write_predictions
from manako.storage.durability import disk_errors
from manako.structures import Prediction


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The picture files among `paths`; of a folder, those in it and below, sorted by path."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                one
                for one in path.rglob("*")
                if one.suffix.lower() in PICTURE_SUFFIXES
                and one.is_file()
                and not one.name.startswith(".")
            )
            if not inside:
                raise DataError(
                    f"the folder {path} has no picture in it or below",
                    expected="files that end in " + ", ".join(sorted(PICTURE_SUFFIXES)),
                )
            found.extend(inside)
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"there is no file {path}", expected="a picture, or a folder of them")
    return found


def predict_pictures(
    recognizer: Recognizer, pictures: Sequence[Path], *, batch_size: int, out: Path | None = None
) -> list[tuple[str, Prediction]]:
    """Name and prediction of each picture.

    With `out`, a new folder, `predictions.csv` and every picture with its answer drawn on it are
    written there.
    """
    if out is not None and out.exists():
        raise UsageError(f"{out} exists", expected="a new folder for the drawn pictures")
    source = Pictures(pictures, recognizer.spec.channels)
    found: list[tuple[str, Prediction]] = []
    with track("predicting", total=len(pictures), unit="pictures") as bar:
        for named in recognizer.predict_source(source, batch_size=batch_size):
            found.append(named)
            bar.advance()
    if out is not None:
        with disk_errors(out):
            _write(recognizer, found, out)
    return found


def _write(recognizer: Recognizer, found: Sequence[tuple[str, Prediction]], out: Path) -> None:
    out.mkdir(parents=True)
    rows = ((name, None, prediction) for name, prediction in found)
    write_predictions(out / "predictions.csv", rows, recognizer.spec.task, recognizer.classes)
    digits = len(str(len(found)))
    for number, (name, prediction) in enumerate(found, start=1):
        image = read_picture(name, recognizer.spec.channels, "rgb", name).image
        drawn = draw_prediction(image, prediction, recognizer.classes)
        # Numbered, for pictures of one name may come from several folders.
        drawn.save(out / f"{number:0{digits}d}-{Path(name).stem}.png")
