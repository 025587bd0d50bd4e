"""Little data sets on disk: bright squares, red or blue, on dark noise, for all three tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 60, 230), "red": (230, 40, 30)}
SIDE = 64

_XML = (
    "<annotation><size><width>{side}</width><height>{side}</height><depth>3</depth></size>"
    "<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
    "<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>"
)


def picture(number, name, side=SIDE):
    """A picture [side, side, 3] with one square of the colour `name`, and the square as xyxy."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 60, (side, side, 3), dtype=np.uint8)
    size = int(random.integers(side // 4, side // 2))
    x, y = (int(random.integers(1, side - size)) for _ in range(2))
    pixels[y : y + size, x : x + size] = COLOURS[name]
    return pixels, (x, y, x + size, y + size)


def _numbered(splits):
    start = 0
    for split, count in splits.items():
        for number in range(start, start + count):
            yield split, number, sorted(COLOURS)[number % 2]
        start += count


SPLITS = {"train": 24, "val": 8, "test": 8}


def class_folders(root: Path, splits=None, side=32) -> Path:
    """`root/split/colour/number.png`."""
    for split, number, name in _numbered(splits or SPLITS):
        folder = root / split / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, name, side)[0]).save(folder / f"{number:03d}.png")
    return root


def pascal_voc(root: Path, splits=None) -> Path:
    """`JPEGImages`, `Annotations` and `ImageSets/Main`; coordinates count from 1, inclusive."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    listed: dict[str, list[str]] = {}
    for split, number, name in _numbered(splits or SPLITS):
        pixels, (x1, y1, x2, y2) = picture(number, name)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{number:03d}.png")
        text = _XML.format(side=SIDE, name=name, x1=x1 + 1, y1=y1 + 1, x2=x2, y2=y2)
        (root / "Annotations" / f"{number:03d}.xml").write_text(text, encoding="utf-8")
        listed.setdefault(split, []).append(f"{number:03d}")
    for split, names in listed.items():
        text = "\n".join(names) + "\n"
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(text, encoding="utf-8")
    return root


def mask_pairs(root: Path, splits=None) -> Path:
    """`images/split`, `masks/split` and `classes.txt`; the border of each square is unlabelled."""
    for split, number, name in _numbered(splits or SPLITS):
        pixels, (x1, y1, x2, y2) = picture(number, name)
        mask = np.zeros(pixels.shape[:2], dtype=np.uint8)
        mask[y1:y2, x1:x2] = 255
        mask[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] = 1 + sorted(COLOURS).index(name)
        for kind, image in (("images", pixels), ("masks", mask)):
            folder = root / kind / split
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:03d}.png")
    (root / "classes.txt").write_text("0 ground\n1 blue\n2 red\n", encoding="utf-8")
    return root


MAKERS = {
    "classification": class_folders,
    "detection": pascal_voc,
    "segmentation": mask_pairs,
}

# Small networks and short runs, by task.
QUICK = {
    "classification": {"model": "quick32", "model_options": {"width": 8}, "lr": 0.3},
    "detection": {"model": "ssd_resnet18", "lr": 1e-3},
    "segmentation": {"model": "unet_bn", "model_options": {"width": 8}, "lr": 1e-2},
}
