import numpy as np
import pytest
import torch

from manako.errors import DataError, ShapeError, UsageError
from manako.metrics.segmentation import SegmentationMetric
from manako.structures import LabelMap, MaskTarget

NAMES = ["sky", "road", "tree", "car"]


def random_maps(pictures, classes, seed, unknown=0.1):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, classes, (pictures, 6, 7), generator=generator)
    said = torch.where(
        torch.rand(truth.shape, generator=generator) < 0.6,
        truth,
        torch.randint(0, classes, truth.shape, generator=generator),
    )
    truth[torch.rand(truth.shape, generator=generator) < unknown] = 255
    return said.to(torch.uint8), truth.to(torch.uint8)


def scored(said, truth, intervals=False, names=NAMES):
    metric = SegmentationMetric(names)
    metric.update([LabelMap(one) for one in said], [MaskTarget(one) for one in truth])
    return metric, metric.scores(intervals)


def test_scores_equal_sets_of_pixels_counted_one_by_one():
    said, truth = random_maps(5, 4, 0)

    _, scores = scored(said, truth)

    pairs = zip(truth.flatten().tolist(), said.flatten().tolist(), strict=True)
    pixels = [(t, s) for t, s in pairs if t != 255]
    ious, accuracies = [], []
    for label in range(4):
        of_truth = {index for index, (t, _) in enumerate(pixels) if t == label}
        of_said = {index for index, (_, s) in enumerate(pixels) if s == label}
        ious.append(len(of_truth & of_said) / len(of_truth | of_said))
        accuracies.append(len(of_truth & of_said) / len(of_truth))
    right = sum(t == s for t, s in pixels) / len(pixels)
    assert scores.headline == "mean_iou"
    assert scores.main.value == pytest.approx(sum(ious) / 4, abs=1e-12)
    assert scores.overall["pixel_accuracy"].value == pytest.approx(right, abs=1e-12)
    assert scores.overall["mean_accuracy"].value == pytest.approx(sum(accuracies) / 4, abs=1e-12)
    assert [own["iou"].value for own in scores.per_class.values()] == pytest.approx(ious)
    assert [own["accuracy"].value for own in scores.per_class.values()] == pytest.approx(accuracies)
    expected = [[pixels.count((t, s)) for s in range(4)] for t in range(4)]
    assert np.array_equal(scores.confusion, expected)


def test_a_class_neither_true_nor_predicted_is_left_out_of_the_mean():
    said, truth = random_maps(3, 2, 1)

    _, scores = scored(said, truth)
    _, of_two = scored(said, truth, names=NAMES[:2])

    assert list(scores.per_class) == ["sky", "road"]
    assert scores.main.value == of_two.main.value


def test_a_class_only_predicted_has_iou_0_and_no_accuracy():
    truth = torch.zeros(1, 2, 2, dtype=torch.uint8)
    said = torch.tensor([[[0, 0], [0, 3]]], dtype=torch.uint8)

    _, scores = scored(said, truth, intervals=True)

    assert scores.per_class["car"]["iou"].value == 0
    assert "accuracy" not in scores.per_class["car"]
    assert scores.main.value == pytest.approx((0.75 + 0) / 2)
    assert scores.overall["mean_accuracy"].value == pytest.approx(0.75)


def test_only_the_truth_decides_which_pixels_are_dropped():
    truth = torch.tensor([[[0, 255], [1, 1]]], dtype=torch.uint8)
    said = torch.tensor([[[0, 255], [1, 0]]], dtype=torch.uint8)

    _, scores = scored(said, truth)

    assert scores.overall["pixel_accuracy"].value == pytest.approx(2 / 3)
    with pytest.raises(UsageError, match="pixels were predicted as class 255 of 4"):
        scored(torch.full_like(truth, 255), truth)


def test_the_mean_is_over_all_pixels_and_not_over_pictures():
    truth = [torch.zeros(1, 9, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.uint8)]
    said = [torch.zeros(1, 9, dtype=torch.uint8), torch.ones(1, 1, dtype=torch.uint8)]

    _, scores = scored(said, truth)

    assert scores.overall["pixel_accuracy"].value == pytest.approx(0.9)


def test_picture_errors_are_the_share_of_wrong_pixels():
    truth = torch.tensor([[[0, 1]], [[2, 255]], [[255, 255]]], dtype=torch.uint8)
    said = torch.tensor([[[0, 0]], [[2, 0]], [[0, 0]]], dtype=torch.uint8)

    metric, _ = scored(said, truth)

    assert metric.picture_errors() == [0.5, 0, 0]


def test_a_picture_of_unknown_pixels_does_not_disturb_the_intervals():
    said, truth = random_maps(4, 4, 2)
    truth[0] = 255

    _, scores = scored(said, truth, intervals=True)

    assert scores.main.low < scores.main.value < scores.main.high


def test_what_does_not_fit_is_refused():
    mask = torch.zeros(1, 2, 2, dtype=torch.uint8)

    with pytest.raises(ShapeError, match=r"a prediction of \(2, 2\) pixels .* truth of \(2, 1\)"):
        scored(mask, mask[:, :, :1])
    with pytest.raises(DataError, match="a mask has pixels of class 4, but only 4 class names"):
        scored(mask, mask + 4)
    with pytest.raises(DataError, match=r"all pixels of 1 pictures are marked as unknown \(255\)"):
        scored(mask, mask + 255)
