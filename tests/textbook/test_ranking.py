"""IoU, suppression and rankings of the textbook, against torchvision, scikit-learn and the rest."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.errors import ShapeError, UsageError
from manako.textbook.overlap import iou, nms
from manako.textbook.ranking import (
    average_precision,
    average_precision_11,
    mean_average_precision,
    precision_recall,
    roc_auc,
    true_detections,
)

small = st.integers(0, 12)
boxes = st.lists(st.tuples(small, small, st.integers(1, 8), st.integers(1, 8)), max_size=10).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float).reshape(-1, 4)
)
rankings = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.8, 0.9]), st.booleans()), min_size=1, max_size=30
).map(lambda rows: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows])))


@given(boxes, boxes)
def test_iou_is_that_of_torchvision(a, b):
    expected = torchvision.ops.box_iou(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(iou(a, b), expected.numpy(), atol=1e-12)


def test_boxes_without_area_overlap_nothing():
    empty, turned = np.array([[3.0, 3, 3, 8]]), np.array([[5.0, 5, 2, 2]])
    whole = np.array([[0.0, 0, 9, 9]])
    assert iou(empty, empty) == iou(empty, whole) == iou(turned, whole) == 0
    with pytest.raises(ShapeError, match=r"boxes of shape \[4\]"):
        iou(np.zeros(4), whole)


@given(boxes, st.integers(0, 9), st.sampled_from([0.0, 0.3, 0.5, 0.7]))
@settings(deadline=None)
def test_suppression_is_that_of_torchvision(given_boxes, seed, threshold):
    scores = np.random.default_rng(seed).permutation(len(given_boxes)) / 16
    kept = nms(given_boxes, scores, threshold)
    tensors = torch.from_numpy(given_boxes), torch.from_numpy(scores)
    assert kept.tolist() == torchvision.ops.nms(*tensors, threshold).tolist()


def test_of_equal_scores_the_first_stays():
    assert nms(np.array([[0.0, 0, 4, 4]] * 3), np.ones(3), 0.5).tolist() == [0]
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


@given(rankings)
def test_area_under_the_roc_is_that_of_scikit_learn(ranking):
    scores, positive = ranking
    if positive.all() or not positive.any():
        with pytest.raises(UsageError, match="expected: at least one of both"):
            roc_auc(scores, positive)
        return
    assert roc_auc(scores, positive) == pytest.approx(
        sklearn.metrics.roc_auc_score(positive, scores)
    )


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(0, 5))
def test_areas_by_the_definition(true, missed):
    true = np.array(true)
    positives = int(true.sum()) + missed
    if positives == 0:
        return
    precision, recall = precision_recall(-np.arange(len(true), dtype=float), true, positives)

    def best(at):
        return max((p for p, r in zip(precision, recall, strict=True) if r >= at), default=0)

    hits = range(1, positives + 1)
    area = sum(best((hit - 1e-9) / positives) for hit in hits) / positives
    assert average_precision(precision, recall) == pytest.approx(area)
    points = [best(tenth / 10) for tenth in range(11)]
    assert average_precision_11(precision, recall) == pytest.approx(sum(points) / 11)


def test_a_perfect_ranking_has_precision_1_and_a_missed_half_has_half():
    precision, recall = precision_recall(np.array([3.0, 2, 1]), np.array([True] * 3), positives=3)
    assert average_precision(precision, recall) == average_precision_11(precision, recall) == 1
    precision, recall = precision_recall(np.array([3.0, 2, 1]), np.array([True] * 3), positives=6)
    assert average_precision(precision, recall) == 0.5
    assert average_precision_11(precision, recall) == pytest.approx(6 / 11)


def test_classes_count_alike():
    assert mean_average_precision({"cat": 0.5, "dog": 1.0}) == 0.75
    with pytest.raises(UsageError, match="no class has a precision"):
        mean_average_precision({})


def test_an_object_is_found_once_and_by_the_best_scored():
    objects = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    found = np.array([[0.0, 0, 10, 8], [0, 0, 10, 10], [20, 0, 30, 4.9], [20, 0, 30, 5]])
    scores = np.array([0.6, 0.9, 0.8, 0.7])
    assert true_detections(found, scores, objects).tolist() == [False, True, False, True]
    assert true_detections(found, scores, np.zeros((0, 4))).tolist() == [False] * 4


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(UsageError, match="0 objects to find"):
        precision_recall(np.array([0.5]), np.array([False]), positives=0)
    with pytest.raises(ShapeError, match=r"scores \[1\] and verdicts \[2\]"):
        precision_recall(np.array([0.5]), np.array([False, True]), positives=1)
    with pytest.raises(UsageError, match="1 objects to find, and 2 that are found"):
        precision_recall(np.array([0.5, 0.4]), np.array([True, True]), positives=1)
    with pytest.raises(ShapeError, match=r"scores \[2\] and verdicts \[1\]"):
        roc_auc(np.array([0.5, 0.4]), np.array([True]))
    with pytest.raises(UsageError, match=r"verdicts of the values \[-1, 1\]"):
        roc_auc(np.array([0.5, 0.4]), np.array([-1, 1]))
    boxes = np.zeros((3, 4))
    for call in (nms, lambda boxes, scores, _: true_detections(boxes, scores, boxes)):
        with pytest.raises(ShapeError, match=r"scores of shape \[2\] for 3 boxes"):
            call(boxes, np.zeros(2), 0.5)


@given(rankings)
def test_ones_and_zeros_are_verdicts_too(ranking):
    scores, positive = ranking
    if positive.all() or not positive.any():
        return
    assert roc_auc(scores, positive.astype(int)) == roc_auc(scores, positive)
