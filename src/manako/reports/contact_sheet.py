"""What augmentation does to the pictures of a data set, on one sheet to look at.

A row for each of a few training pictures: first as validation sees it, then as training does in its
first epochs, with boxes and masks where the transforms have moved them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from PIL import Image

from manako.data.dataset import Dataset, Item, load_sample
from manako.data.randomness import permutation
from manako.data.transforms import Pipeline, Resize, augmentation
from manako.data.transforms.geometry import Rule
from manako.errors import DataError
from manako.reports.drawing import draw_boxes, enlarged, enlargement, overlay, to_pillow
from manako.reports.lettering import class_label, lines_image
from manako.storage.files import write_bytes_atomic
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, MaskTarget, Sample

ROWS = 6
EPOCHS = 8

LEAST_SIDE, LONGEST_SIDE = 112, 224
"""The longer side of a picture on the sheet, in pixels; with boxes, whose names need room, up to
`BOXES_SIDE`."""
BOXES_SIDE = 320

_GAP = 6
_LETTERS = 14
_MASK_SHARE = 0.45  # of the class colour: more of the picture is to be seen than in a report


def write_contact_sheet(
    path: Path,
    dataset: Dataset,
    *,
    augment: str,
    size_hw: tuple[int, int] | None = None,
    rule: Rule = "stretch",
    options: Mapping[str, float | bool | str] | None = None,
    seed: int = 0,
) -> None:
    """Write a PNG of `ROWS` training pictures, each plain and as `EPOCHS` epochs would show it.

    `augment` and `options` are those of `augmentation`. Where `size_hw` (height, width in pixels)
    is None, it is the middle size of the pictures shown, made smaller to `LONGEST_SIDE`. The
    pictures are chosen by `seed`, of different classes as far as there are; what happens to them
    is what a run of this seed, on the same split and size, does to them.

    Errors: DataError for a data set without pictures or with one that cannot be read; those of
    `augmentation`.
    """
    split = "train" if dataset.splits.get("train") else next(iter(dataset.splits), "")
    items = dataset.splits.get(split, ())
    if not items:
        raise DataError("the data set has no pictures to show", fix="add pictures")
    indices = _chosen(items, seed)
    samples = [load_sample(dataset.files, items[index]) for index in indices]
    size_hw = size_hw or _middle_size(samples)
    plain = Resize(size_hw, rule)
    pipeline = Pipeline(augmentation(augment, dataset.task, size_hw, rule, **(options or {})))
    numbers = [pipeline.numbers(seed, epoch, indices).tolist() for epoch in range(EPOCHS)]
    titles = ["validation", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    rows: list[Image.Image] = []
    for place, sample in enumerate(samples):
        shown = [Pipeline((plain,))(sample, [])]
        shown += [pipeline(sample, row[place]) for row in numbers]
        row = _side_by_side([_drawn(one, dataset.classes) for one in shown])
        caption = _caption(sample, dataset.classes)
        rows += [lines_image([(caption, None)], row.width, _LETTERS), row]
    column = (rows[1].width + _GAP) // len(titles) - _GAP
    heads = [lines_image([(title, None)], column, _LETTERS) for title in titles]
    data = io.BytesIO()
    _one_above_the_other([_side_by_side(heads), *rows]).save(data, "PNG")
    write_bytes_atomic(path, data.getvalue())


def _chosen(items: Sequence[Item], seed: int) -> list[int]:
    """Indices of up to `ROWS` pictures in a random order, those of new classes first."""
    order = permutation(seed, 0, len(items)).tolist()
    seen: set[int] = set()
    fresh: list[int] = []
    for index in order:
        truth = items[index].truth
        if isinstance(truth, ClassTarget) and truth.label not in seen:
            seen.add(truth.label)
            fresh.append(index)
    rest = [index for index in order if index not in set(fresh[:ROWS])]
    return [*fresh[:ROWS], *rest][:ROWS]


def _middle_size(samples: Sequence[Sample]) -> tuple[int, int]:
    height, width = (median(sample.size_hw[axis] for sample in samples) for axis in (0, 1))
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def _drawn(sample: Sample, classes: Sequence[str]) -> Image.Image:
    """The picture at the sheet's size, its boxes or mask on it."""
    picture = to_pillow(sample.image)
    most = BOXES_SIDE if isinstance(sample.target, BoxTargets) else LONGEST_SIDE
    longest = max(picture.size)
    if longest > most:
        scale = most / longest
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    else:
        factor = scale = enlargement(picture.size, LEAST_SIDE)
        picture = enlarged(picture, factor)
    if isinstance(sample.target, BoxTargets):
        return draw_boxes(picture, None, classes, sample.target, scale=scale)
    if isinstance(sample.target, MaskTarget):
        return overlay(picture, sample.target.mask, _MASK_SHARE)
    return picture


def _caption(sample: Sample, classes: Sequence[str]) -> str:
    match sample.target:
        case ClassTarget(label):
            return f"{class_label(label, classes)} – {sample.name}"
        case LabelsTarget(labels):
            names = ", ".join(class_label(label, classes) for label in labels)
            return f"{names or 'no class'} – {sample.name}"
    return sample.name


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    width = sum(one.width for one in pictures) + _GAP * (len(pictures) - 1)
    # Grey between the pictures: many have a white ground themselves.
    row = Image.new("RGB", (width, max(one.height for one in pictures)), "#d4d4d4")
    left = 0
    for one in pictures:
        row.paste(one, (left, 0))
        left += one.width + _GAP
    return row


def _one_above_the_other(rows: Sequence[Image.Image]) -> Image.Image:
    height = sum(row.height for row in rows)
    sheet = Image.new("RGB", (max(row.width for row in rows), height), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
