from __future__ import annotations

import numpy as np
import pytest
import torch

from manako.errors import UsageError
from manako.reports.colours import class_colour
from manako.reports.drawing import draw_boxes, draw_prediction, overlay, to_pillow
from manako.structures import (
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
)

CLASSES = ("cat", "dog", "owl")
GREY = torch.full((3, 300, 400), 128, dtype=torch.uint8)
NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def found(*boxes, label=1):
    count = len(boxes)
    return Detections(torch.tensor(boxes), torch.full((count,), 0.9), torch.full((count,), label))


def true(*boxes, label=1, ignored=None):
    flags = None if ignored is None else torch.tensor(ignored)
    return BoxTargets(torch.tensor(boxes), torch.full((len(boxes),), label), flags)


def pixels(picture):
    return np.asarray(picture).astype(int)


def rows_and_columns_with(picture, colour):
    hit = (pixels(picture) == colour).all(axis=2)
    return np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))


def test_a_found_box_has_its_colour_on_its_edges_and_nothing_inside():
    picture = pixels(draw_prediction(GREY, found([100.0, 120, 250, 280]), CLASSES))

    colour = class_colour(1)
    assert (picture[200, 100] == colour).all()  # left
    assert (picture[200, 249] == colour).all()  # right: the last column inside the box
    assert (picture[279, 200] == colour).all()  # bottom
    assert (picture[120, 240] == colour).all()  # top, right of the tag
    assert (picture[160:270, 110:240] == 128).all()
    assert (picture[:, 300:] == 128).all()


def test_boxes_are_scaled_with_the_picture():
    picture = draw_boxes(to_pillow(GREY), None, CLASSES, true([50.0, 60, 150, 140]), scale=2.0)

    rows, columns = rows_and_columns_with(picture, (255, 255, 255))
    assert (rows[0], rows[-1]) == (120, 279)
    assert (columns[0], columns[-1]) == (100, 299)


def test_a_true_box_is_dashed_white_on_black_and_a_found_one_unbroken():
    box = [100.0, 120, 250, 280]
    dashed = pixels(draw_boxes(to_pillow(GREY), NOTHING, CLASSES, true(box)))
    solid = pixels(draw_boxes(to_pillow(GREY), found(box), CLASSES))

    edge = dashed[279, 150:250]
    values = {tuple(one) for one in edge.tolist()}
    assert values == {(255, 255, 255), (0, 0, 0), (128, 128, 128)}  # dash, its edge, the gap
    assert (solid[279, 100:250] == class_colour(1)).all()


def test_truth_is_named_only_where_it_was_missed():
    box, other = [100.0, 120, 250, 280], [10.0, 10, 60, 60]
    missed = pixels(draw_boxes(to_pillow(GREY), found(other), CLASSES, true(box)))
    hit = pixels(draw_boxes(to_pillow(GREY), found(box), CLASSES, true(box)))
    other_class = pixels(draw_boxes(to_pillow(GREY), found(box, label=2), CLASSES, true(box)))

    def black(picture):  # the field of a tag in the lower left corner of the box
        return (picture[262:278, 104:125] == 0).all(axis=2).mean()

    assert black(missed) > 0.4
    assert black(other_class) > 0.4
    assert black(hit) < 0.1  # the dashes of the box
    for found_there in (NOTHING, found(other)):
        ignored = draw_boxes(to_pillow(GREY), found_there, CLASSES, true(box, ignored=[True]))
        assert black(pixels(ignored)) < 0.1


def test_boxes_at_or_beyond_the_edge_stay_inside_the_picture():
    boxes = found([-50.0, -50, 500, 400], [399.0, 299, 400, 300], [50.0, 50, 50, 50])

    picture = draw_prediction(GREY, boxes, CLASSES)

    assert picture.size == (400, 300)
    assert (pixels(picture)[200, 0] == class_colour(1)).all()
    assert (pixels(picture)[200, 399] == class_colour(1)).all()


def test_drawing_leaves_the_given_picture_alone():
    picture = to_pillow(GREY)

    draw_boxes(picture, found([100.0, 120, 250, 280]), CLASSES)

    assert (pixels(picture) == 128).all()


def test_a_class_is_written_below_the_whole_enlarged_picture():
    image = torch.arange(20 * 30, dtype=torch.int64).reshape(1, 20, 30).to(torch.uint8)
    prediction = ClassPrediction(torch.tensor([0.1, 0.7, 0.2]))

    alone = pixels(draw_prediction(image, prediction, CLASSES))
    with_truth = pixels(draw_prediction(image, prediction, CLASSES, ClassTarget(0)))

    assert alone.shape[1] == 270  # 9 times 30: the first whole factor that reaches 256
    assert (alone[:180:9, ::9, 0] == image[0].numpy()).all()
    assert (alone[180:] < 128).any()
    assert with_truth.shape[0] > alone.shape[0] > 180


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (8, 8), (16, 2000), (2000, 16), (3000, 4000)]
)
def test_the_band_covers_nothing_and_is_readable_on_any_size(height, width):
    image = torch.full((3, height, width), 200, dtype=torch.uint8)

    drawn = pixels(draw_prediction(image, ClassPrediction(torch.tensor([0.1, 0.7, 0.2])), CLASSES))

    factor = max(1, -(-256 // max(height, width)))
    shown, band = drawn[: height * factor, : width * factor], drawn[height * factor :]
    assert (shown == 200).all()
    ink = (band < 128).all(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    letters = rows[-1] - rows[0]
    assert letters >= max(10, max(height, width) / 64)
    assert columns[-1] - columns[0] > 3 * letters  # "0.70 dog" is not cut
    assert columns[-1] < band.shape[1] - 6


def band_rows(*arguments, **options):
    """How many lines of text are below the picture."""
    drawn = pixels(draw_prediction(GREY, *arguments, **options))
    ink = (drawn[GREY.shape[1] :] < 128).any(axis=(1, 2))
    return int((np.diff(ink.astype(int)) == 1).sum())


def test_several_classes_and_the_unknown_have_lines_of_their_own():
    said = ClassPrediction(torch.tensor([0.1, 0.7, 0.2]))

    assert band_rows(said, CLASSES) == 1
    assert band_rows(said, CLASSES, top=2) == 2
    assert band_rows(said, CLASSES, top=9) == 3
    assert band_rows(said, CLASSES, is_unknown=True) == 2


def test_labels_have_a_line_each_and_those_missed_have_one_too():
    said = LabelsPrediction(torch.tensor([0.9, 0.1, 0.6]))
    nothing = LabelsPrediction(torch.tensor([0.1, 0.1, 0.1]))
    many = LabelsPrediction(torch.full((30,), 0.9))

    assert band_rows(said, CLASSES) == 2
    assert band_rows(said, CLASSES, LabelsTarget((0, 2))) == 2
    assert band_rows(said, CLASSES, LabelsTarget((1,))) == 3
    assert band_rows(nothing, CLASSES) == 1
    assert band_rows(many, [f"n{number}" for number in range(30)]) == 9


def test_an_overlay_mixes_in_the_colour_of_each_class():
    mask = torch.zeros(300, 400, dtype=torch.uint8)
    mask[:, 200:] = 2

    picture = pixels(overlay(to_pillow(GREY), mask, share=0.5))

    for column, label in ((100, 0), (300, 2)):
        expected = np.array(class_colour(label)) * 0.5 + 64
        assert np.abs(picture[150, column] - expected).max() <= 1


def test_unknown_pixels_are_hatched_in_grey():
    mask = torch.full((300, 400), 255, dtype=torch.uint8)

    picture = pixels(overlay(to_pillow(GREY), mask))

    assert (picture.max(axis=2) == picture.min(axis=2)).all()
    assert set(np.unique(picture)) == {94, 164}
    assert (picture == 94).mean() == pytest.approx(0.5, abs=0.02)


def test_label_maps_stand_side_by_side_above_their_legend():
    mask = torch.zeros(300, 400, dtype=torch.uint8)
    truth = MaskTarget(torch.ones(300, 400, dtype=torch.uint8))

    alone = pixels(draw_prediction(GREY, LabelMap(mask), CLASSES))
    both = pixels(draw_prediction(GREY, LabelMap(mask), CLASSES, truth))

    assert alone.shape[1] == 400
    assert alone.shape[0] > 300
    assert both.shape[1] == 800
    assert (both[150, 600] == alone[150, 200]).all()  # the prediction is the right one
    assert (both[150, 200] != alone[150, 200]).any()
    legend = both[300:]
    assert (legend == class_colour(0)).all(axis=2).any()
    assert (legend == class_colour(1)).all(axis=2).any()
    assert not (legend == class_colour(2)).all(axis=2).any()


def test_prediction_and_truth_of_two_tasks_are_refused():
    with pytest.raises(UsageError, match="a Detections cannot be drawn beside a ClassTarget"):
        draw_prediction(GREY, NOTHING, CLASSES, ClassTarget(0))
