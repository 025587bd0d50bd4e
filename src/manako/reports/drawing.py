"""Predictions drawn onto pictures, with Pillow.

What is found is drawn in solid lines of its class's colour, what is true in dashed black and white:
the two differ without colour too. Pixels of unknown class are hatched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from manako.errors import UsageError
from manako.ops.boxes import iou_matrix
from manako.reports.colours import BLACK, WHITE, Colour, class_colour, text_colour_on
from manako.reports.lettering import class_label, draw_tag, lines_image, text_size
from manako.structures import (
    IGNORE,
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
    Prediction,
    Target,
)

SMALL_SIDE = 256
"""Pictures whose longer side is shorter are enlarged before anything is drawn on them."""
Tag = tuple[tuple[int, int], str, tuple[Colour, Colour]]
"""Upper left corner, text, colours of field and letters."""

MOST_LINES = 8
"""Of labels below a picture; how many more there are is said in one more."""
LEAST_BAND = 16  # letters' heights: how wide the band with a class is at least
OVERLAY_SHARE = 0.6  # of the class colour in an overlay; the rest is the picture
SAME_OBJECT_IOU = 0.5


def draw_prediction(
    image: Tensor,
    prediction: Prediction,
    classes: Sequence[str],
    truth: Target | None = None,
    *,
    top: int = 1,
    is_unknown: bool = False,
) -> Image.Image:
    """A picture that shows `prediction`, and `truth` where it is given.

    `image` uint8 [C, H, W], C = 1 or 3, with prediction and truth in its pixels. The `top` classes
    or the labels are written on a band below the picture, "unknown" above them if `is_unknown`;
    boxes are drawn on it; label maps are laid over it (truth beside prediction) with a legend
    below. Pictures smaller than `SMALL_SIDE` are enlarged by a whole factor. Raises
    UsageError where prediction and truth belong to different tasks.
    """
    picture = to_pillow(image)
    factor = enlargement(picture.size, SMALL_SIDE)
    match prediction, truth:
        case ClassPrediction(), ClassTarget() | None:
            lines = _class_lines(prediction, classes, truth, top)
            if is_unknown:
                lines = ["unknown, best guess:", *lines]
            return _with_band(enlarged(picture, factor), lines)
        case LabelsPrediction(), LabelsTarget() | None:
            return _with_band(enlarged(picture, factor), _label_lines(prediction, classes, truth))
        case Detections(), BoxTargets() | None:
            return draw_boxes(enlarged(picture, factor), prediction, classes, truth, scale=factor)
        case LabelMap(), MaskTarget() | None:
            return _with_maps(picture, factor, prediction, classes, truth)
        case _:
            raise UsageError(
                f"a {type(prediction).__name__} cannot be drawn beside a {type(truth).__name__}",
                expected="prediction and truth of one task",
            )


def to_pillow(image: Tensor) -> Image.Image:
    """An RGB picture from uint8 [C, H, W], C = 1 or 3."""
    pixels = image.detach().cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")


def enlargement(size_wh: tuple[int, int], least_side: int) -> int:
    """The smallest whole factor by which the longer side is at least `least_side`.

    >>> enlargement((32, 20), 256), enlargement((640, 480), 256)
    (8, 1)
    """
    return max(1, -(-least_side // max(size_wh)))


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """`picture` with each pixel as a square of `factor` x `factor`."""
    if factor == 1:
        return picture
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )


# ---------------------------------------------------------------- classification


def _class_lines(
    prediction: ClassPrediction, classes: Sequence[str], truth: ClassTarget | None, top: int
) -> list[str]:
    values = prediction.probabilities.tolist()
    order = sorted(range(len(values)), key=lambda label: (-values[label], label))[:top]
    lines = [_numbered(label, values[label], classes) for label in order]
    if truth is not None:
        lines.append(f"truth: {class_label(truth.label, classes)}")
    return lines


def _label_lines(
    prediction: LabelsPrediction, classes: Sequence[str], truth: LabelsTarget | None
) -> list[str]:
    """The labels found, the surest first, wrong ones marked; then those that were missed."""
    values = prediction.probabilities.tolist()
    found = sorted(prediction.labels, key=lambda label: (-values[label], label))
    named = [_numbered(label, value, classes) for label, value in enumerate(values)]
    if truth is None:
        lines = [named[label] for label in found]
    else:
        lines = [("" if label in truth.labels else "wrong: ") + named[label] for label in found]
        lines += [f"missed: {named[label]}" for label in truth.labels if label not in found]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more"]
    return lines or ["nothing"]


def _numbered(label: int, probability: float, classes: Sequence[str]) -> str:
    """The number comes first, where a long name cannot push it out of the picture."""
    return f"{probability:.2f} {class_label(label, classes)}"


def _with_band(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """`picture` above a white band of text, in letters that fit the picture's size."""
    letters = max(14, round(max(picture.size) / 32))
    width = max(picture.width, LEAST_BAND * letters)
    return _above(picture, lines_image([(line, None) for line in lines], width, letters))


def _above(upper: Image.Image, lower: Image.Image) -> Image.Image:
    both = Image.new("RGB", (max(upper.width, lower.width), upper.height + lower.height), "white")
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height))
    return both


# ---------------------------------------------------------------- detection


def draw_boxes(
    picture: Image.Image,
    found: Detections | None,
    classes: Sequence[str],
    truth: BoxTargets | None = None,
    *,
    scale: float = 1.0,
) -> Image.Image:
    """A copy of `picture` with boxes on it.

    Boxes are multiplied by `scale` first, for a picture that was resized. What is true is named
    only where nothing of its class was found in the same place (an overlap of at least
    `SAME_OBJECT_IOU`), so that names point at what was missed.
    """
    picture = picture.copy()
    canvas = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 320))
    letters = max(11, round(max(picture.size) / 44))
    tags: list[Tag] = []  # the most telling last, on top of the others
    if found is not None:
        for box, score, label in zip(found.boxes_xyxy, found.scores, found.labels, strict=True):
            colour = class_colour(int(label))
            corners = _corners(box, scale, picture.size)
            _solid_rectangle(canvas, corners, colour, line)
            text = f"{class_label(int(label), classes)} {float(score):.2f}"
            tags.insert(0, (corners[:2], text, (colour, text_colour_on(colour))))
    if truth is not None:
        missed = _missed(truth, found)
        for index, (box, label) in enumerate(zip(truth.boxes_xyxy, truth.labels, strict=True)):
            corners = _corners(box, scale, picture.size)
            dash = line * 2 if bool(truth.ignored_mask[index]) else line * 4
            _dashed_rectangle(canvas, corners, dash, line)
            if missed[index]:
                at = corners[0], corners[3] - text_size("", letters)[1] - 2
                tags.append((at, class_label(int(label), classes), (BLACK, WHITE)))
    for at, text, colours in tags:
        draw_tag(canvas, _tag_place(at, text, letters, picture.size), text, letters, colours)
    return picture


def _missed(truth: BoxTargets, found: Detections | None) -> list[bool]:
    """For each true box, whether nothing of its class was found there; never for ignored ones."""
    if found is None or len(found) == 0:
        return [not ignored for ignored in truth.ignored_mask.tolist()]
    same_class = truth.labels[:, None] == found.labels[None, :]
    overlap = iou_matrix(truth.boxes_xyxy, found.boxes_xyxy) >= SAME_OBJECT_IOU
    hit = (same_class & overlap).any(dim=1) | truth.ignored_mask
    return [not one for one in hit.tolist()]


def _corners(box: Tensor, scale: float, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """The first and last pixel columns and rows of a box, inside the picture."""
    width, height = size_wh
    x0, y0, x1, y1 = (float(value) * scale for value in box)
    left, top = min(max(round(x0), 0), width - 1), min(max(round(y0), 0), height - 1)
    right = min(max(round(x1) - 1, left), width - 1)
    bottom = min(max(round(y1) - 1, top), height - 1)
    return left, top, right, bottom


def _solid_rectangle(
    canvas: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], colour: Colour, line: int
) -> None:
    x0, y0, x1, y1 = corners
    halo = (x0 - 1, y0 - 1, x1 + 1, y1 + 1)
    canvas.rectangle(halo, outline=text_colour_on(colour), width=1)
    canvas.rectangle(corners, outline=colour, width=line)


def _dashed_rectangle(
    canvas: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], dash: int, line: int
) -> None:
    """White dashes with black edges and clear gaps: seen on any picture and on any other line."""
    x0, y0, x1, y1 = corners
    inner = line - 1
    sides = [
        (start, y, end, y + inner) for y in (y0, y1 - inner) for start, end in _dashes(x0, x1, dash)
    ]
    sides += [
        (x, start, x + inner, end) for x in (x0, x1 - inner) for start, end in _dashes(y0, y1, dash)
    ]
    for left, top, right, bottom in sides:
        canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=BLACK)
    for side in sides:
        canvas.rectangle(side, fill=WHITE)


def _dashes(first: int, last: int, dash: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, 2 * dash):
        yield start, min(start + dash - 1, last)


def _tag_place(
    at: tuple[int, int], text: str, letters: int, size_wh: tuple[int, int]
) -> tuple[int, int]:
    """Where a tag goes so that all of it is inside the picture, if it can be."""
    width, height = text_size(text, letters)
    x = max(0, min(at[0], size_wh[0] - width - 6))
    y = max(0, min(at[1], size_wh[1] - height - 3))
    return x, y


# ---------------------------------------------------------------- segmentation


def overlay(picture: Image.Image, mask: Tensor, share: float = OVERLAY_SHARE) -> Image.Image:
    """`picture` with the colour of each pixel's class laid over it, hatched where it is unknown.

    `mask` uint8 [H, W] is resized to the picture, each pixel keeping one class.
    """
    labels = np.asarray(
        Image.fromarray(mask.cpu().numpy()).resize(picture.size, Image.Resampling.NEAREST)
    )
    table = np.array([class_colour(index) for index in range(256)], dtype=np.float32)
    pixels = np.asarray(picture, dtype=np.float32)
    mixed = (1 - share) * pixels + share * table[labels]
    unknown = labels == IGNORE
    rows, columns = np.indices(labels.shape)
    stripes = np.where((rows + columns) // 4 % 2 == 0, 60.0, 200.0)[..., None]
    hatched = 0.5 * pixels.mean(axis=2, keepdims=True) + 0.5 * stripes
    mixed = np.where(unknown[..., None], hatched, mixed)
    return Image.fromarray(mixed.round().astype(np.uint8))


def classes_in(masks: Sequence[Tensor]) -> list[int]:
    """The values that occur in any of `masks`, ascending; `IGNORE`, if it does, last.

    >>> classes_in([torch.tensor([[0, 255]], dtype=torch.uint8)])
    [0, 255]
    """
    counts = sum(torch.bincount(mask.flatten(), minlength=256) for mask in masks)
    return torch.nonzero(torch.as_tensor(counts)).flatten().tolist()


def _with_maps(
    picture: Image.Image,
    factor: int,
    prediction: LabelMap,
    classes: Sequence[str],
    truth: MaskTarget | None,
) -> Image.Image:
    masks = [prediction.mask] if truth is None else [truth.mask, prediction.mask]
    titles = ["prediction"] if truth is None else ["truth", "prediction"]
    panels = [
        _above(panel, lines_image([(title, None)], panel.width, 14))
        for panel, title in (
            (overlay(enlarged(picture, factor), mask), title)
            for mask, title in zip(masks, titles, strict=True)
        )
    ]
    if truth is None:
        panels = [overlay(enlarged(picture, factor), prediction.mask)]
    row = Image.new("RGB", (sum(one.width for one in panels), panels[0].height), "white")
    for index, panel in enumerate(panels):
        row.paste(panel, (index * panel.width, 0))
    legend: list[tuple[str, Colour | None]] = [
        ("unknown (hatched)", None)
        if value == IGNORE
        else (class_label(value, classes), class_colour(value))
        for value in classes_in(masks)
    ]
    return _above(row, lines_image(legend, row.width, 14))
