"""Pictures a second that one worker process prepares: manako's loader against torchvision's usual.

1,024 photographs of 500 x 375 in two class folders (CamVid's frames and mirror images of some),
each random part of them resized to 224 x 224, mirrored by a coin and normalised, in batches of 32.
The sides take turns, each turn in a process of its own:

* torchvision: `ImageFolder`, its transforms over Pillow, `DataLoader` with one worker;
* manako streaming: pictures are decoded whenever they are needed, as in sets too large to keep;
* manako: pictures are decoded once and kept in an empty cache, as `manako train` does: by one
  thread, and by another in place of the process that waits for it. Its first epoch includes that,
  and is what the first bar is for; the later epochs read the cache.

A virtual machine gets each page of its memory from its host when it is first touched, and that can
take longer than to decode what is put there. So that the pipelines are compared and not the hosts,
every turn begins by taking as much memory as the decoded pictures need, and letting go of it. One
more side does without: manako on whatever memory it is given.

The figures are medians over the turns. What comes before the first batch of an epoch (a process is
started, a pipe filled) is left out on all sides, but for the decoding.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from record import WORK, prove, shared

PICTURES, SIZE_WH, QUALITY = 1024, (500, 375), 90
BATCH, INPUT_HW = 32, (224, 224)
EPOCHS, TURNS = 4, 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCHES = PICTURES // BATCH
FIRST_AT_LEAST, CACHED_AT_LEAST = 1.5, 8.0


def photographs() -> Path:
    """Class folders with the JPEGs, made when they are not there yet."""
    from PIL import Image, ImageOps

    from manako.data.files import open_tree

    target = WORK / "data" / "photographs"
    if (target / "whole").exists():
        return target
    files = open_tree(shared("camvid.tar"))
    frames = [path for path in files.paths if path.endswith(".jpg")]
    for number in range(PICTURES):
        path = target / f"class-{number % 2}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.read(frames[number % len(frames)]))
        with Image.open(path) as picture:
            picture = picture.convert("RGB").resize(SIZE_WH, Image.Resampling.BICUBIC)
        if number >= len(frames):
            picture = ImageOps.mirror(picture)
        picture.save(path, quality=QUALITY)
    (target / "whole").touch()
    return target


def seconds_per_picture(batches: Iterator[Any]) -> float:
    """Of an epoch, from its first batch on."""
    next(batches)
    start = time.perf_counter()
    for _ in range(BATCHES - 1):
        next(batches)
    return (time.perf_counter() - start) / (PICTURES - BATCH)


def claim_memory() -> None:
    """Fill as many pages with a file as the decoded pictures take, and let go of them."""
    path = Path(os.environ["MANAKO_CACHE"]) / "claimed"
    picture = bytes(3 * SIZE_WH[0] * SIZE_WH[1])
    with path.open("wb") as file:
        for _ in range(PICTURES):
            file.write(picture)
    path.unlink()


def torchvision_epochs(folder: Path) -> dict[str, list[float]]:
    """Seconds a picture in each epoch; the first is like the others."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    dataset = datasets.ImageFolder(
        str(folder),
        transforms.Compose(
            [
                transforms.RandomResizedCrop(INPUT_HW),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        ),
    )
    loader = DataLoader(
        dataset, batch_size=BATCH, shuffle=True, num_workers=1, persistent_workers=True
    )
    claim_memory()
    return {"epochs": [seconds_per_picture(iter(loader)) for _ in range(EPOCHS)]}


def manako_epochs(
    folder: Path, *, limit_bytes: int = 2**40, claim: bool = True
) -> dict[str, list[float]]:
    """Seconds a picture of decoding beforehand, and in each epoch."""
    from manako.data.decoded import decoded_split
    from manako.data.formats import read_dataset
    from manako.data.loader import Order, training_batches
    from manako.data.preparation import Preparation
    from manako.data.transforms import HorizontalFlip, Pipeline, RandomResizedCrop
    from manako.training.precision import exact_arithmetic

    dataset = read_dataset(folder)
    preparation = Preparation(INPUT_HW, "crop", 3, MEAN, STD)
    pipeline = Pipeline((RandomResizedCrop(INPUT_HW), HorizontalFlip()))
    if claim:
        claim_memory()
    with exact_arithmetic(threads=1):
        start = time.perf_counter()
        source = decoded_split(
            dataset.files, dataset.splits["all"], 3, limit_bytes=limit_bytes, workers=1
        )
        decoding = (time.perf_counter() - start) / PICTURES
        made = training_batches(
            source,
            pipeline,
            order=Order(seed=0, batch_size=BATCH),
            steps=range(EPOCHS * BATCHES),
            workers=1,
        )
        normalised = (preparation.normalise(batch.images) for batch in made)
        epochs = [seconds_per_picture(normalised) for _ in range(EPOCHS)]
        made.close()
    return {"decoding": [decoding], "epochs": epochs}


def streamed_epochs(folder: Path) -> dict[str, list[float]]:
    """As `manako_epochs`, without a cache."""
    return manako_epochs(folder, limit_bytes=0)


def unclaimed_epochs(folder: Path) -> dict[str, list[float]]:
    """As `manako_epochs`, on whatever memory there is."""
    return manako_epochs(folder, claim=False)


SIDES = {
    "torchvision": torchvision_epochs,
    "manako streaming": streamed_epochs,
    "manako": manako_epochs,
    "manako unclaimed": unclaimed_epochs,
}


def turn(side: str, folder: Path) -> dict[str, list[float]]:
    """One side's turn, in a process and with a cache of its own."""
    with tempfile.TemporaryDirectory(dir=WORK) as cache:
        done = subprocess.run(
            [sys.executable, __file__, "--side", side, str(folder)],
            env={**os.environ, "MANAKO_CACHE": cache},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def read_all(folder: Path) -> None:
    """So that neither side waits for the disk."""
    for path in folder.rglob("*.jpg"):
        path.read_bytes()


def measure() -> dict[str, object]:
    """All sides in turns."""
    folder = photographs()
    found: dict[str, list[dict[str, list[float]]]] = {side: [] for side in SIDES}
    for _ in range(TURNS):
        for side, turns in found.items():
            read_all(folder)
            turns.append(turn(side, folder))
    theirs = median(one for turns in found["torchvision"] for one in turns["epochs"])
    streamed = median(one for turns in found["manako streaming"] for one in turns["epochs"])
    first, unclaimed = (
        median(turns["decoding"][0] + turns["epochs"][0] for turns in found[side])
        for side in ("manako", "manako unclaimed")
    )
    cached = median(one for turns in found["manako"] for one in turns["epochs"][1:])
    first_ratio, cached_ratio = theirs / first, theirs / cached
    return {
        "pictures": PICTURES,
        "turns_of_each": TURNS,
        "torchvision_pictures_per_second": round(1 / theirs),
        "streamed_pictures_per_second": round(1 / streamed),
        "first_epoch_pictures_per_second": round(1 / first),
        "cached_pictures_per_second": round(1 / cached),
        "first_epoch_ratio": round(first_ratio, 2),
        "first_epoch_at_least": FIRST_AT_LEAST,
        "first_epoch_ratio_on_unclaimed_memory": round(theirs / unclaimed, 2),
        "streamed_ratio": round(theirs / streamed, 2),
        "cached_ratio": round(cached_ratio, 2),
        "cached_at_least": CACHED_AT_LEAST,
        "reached": first_ratio >= FIRST_AT_LEAST and cached_ratio >= CACHED_AT_LEAST,
    }


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def run_side(side: str, folder: Path) -> None:
    """What a turn's process does."""
    print(json.dumps(SIDES[side](folder)))


if __name__ == "__main__":
    if "--side" in sys.argv:
        run_side(sys.argv[-2], Path(sys.argv[-1]))
    else:
        sys.exit(0 if prove("input-pipeline", measure)["reached"] else 8)
