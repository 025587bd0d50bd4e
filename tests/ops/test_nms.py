import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.errors import ShapeError, UsageError
from manako.ops.nms import nms, nms_per_class

small = st.integers(0, 12)
box = st.tuples(small, small, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
# Whole coordinates and few scores, so that equal boxes and equal scores are common.
cases = st.lists(
    st.tuples(box, st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(0, 2)), max_size=12
).map(
    lambda rows: (
        torch.tensor([row[0] for row in rows], dtype=torch.float64).reshape(-1, 4),
        torch.tensor([row[1] for row in rows], dtype=torch.float64),
        torch.tensor([row[2] for row in rows], dtype=torch.int64),
    )
)
thresholds = st.sampled_from([0.0, 0.25, 0.3, 0.45, 0.5, 0.7, 1.0])


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height)


def nms_by_definition(boxes, scores, threshold):
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


@given(cases, thresholds)
@settings(deadline=None, max_examples=150)
def test_nms_equals_the_definition(case, threshold):
    boxes, scores, _ = case

    kept = nms(boxes, scores, threshold)

    assert kept.tolist() == nms_by_definition(boxes.tolist(), scores.tolist(), threshold)


@given(cases, thresholds)
@settings(deadline=None, max_examples=100)
def test_nms_per_class_is_nms_of_each_class_by_itself(case, threshold):
    boxes, scores, labels = case

    kept = nms_per_class(boxes, scores, labels, threshold)

    expected = []
    for label in range(3):
        members = [i for i in range(len(scores)) if labels[i] == label]
        own = nms_by_definition(boxes[members].tolist(), scores[members].tolist(), threshold)
        expected += [members[i] for i in own]
    assert kept.tolist() == sorted(expected, key=lambda i: (-float(scores[i]), i))


@given(cases, thresholds)
@settings(deadline=None, max_examples=50)
def test_what_nms_keeps_is_kept_again(case, threshold):
    boxes, scores, labels = case
    kept = nms_per_class(boxes, scores, labels, threshold)

    again = nms_per_class(boxes[kept], scores[kept], labels[kept], threshold)

    assert len(set(kept.tolist())) == len(kept)
    assert again.tolist() == list(range(len(kept)))


def test_boxes_at_the_threshold_both_stay():
    boxes = torch.tensor([[0.0, 0, 2, 1], [0.0, 0, 1, 1]])  # IoU exactly 1/2

    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.499).tolist() == [0]


def test_far_from_the_origin_classes_do_not_disturb_each_other():
    # With classes shifted apart by their coordinates, float32 would round these away.
    boxes = torch.tensor([[9e5, 9e5, 9e5 + 1, 9e5 + 1], [9e5 + 0.5, 9e5, 9e5 + 1.5, 9e5 + 1]])
    labels = torch.tensor([40, 40])

    kept = nms_per_class(boxes, torch.tensor([0.9, 0.8]), labels, 0.4)

    assert kept.tolist() == [0, 1]


def test_scores_labels_and_threshold_must_fit():
    boxes, scores = torch.zeros(2, 4), torch.zeros(2)

    with pytest.raises(ShapeError, match=r"boxes_xyxy must have shape \(N, 4\), not \(2, 3\)"):
        nms(boxes[:, :3], scores, 0.5)
    with pytest.raises(ShapeError, match=r"scores must have shape \(2,\), not \(3,\)"):
        nms(boxes, torch.zeros(3), 0.5)
    with pytest.raises(ShapeError, match=r"labels must have shape \(2,\), not \(1,\)"):
        nms_per_class(boxes, scores, torch.zeros(1, dtype=torch.int64), 0.5)
    with pytest.raises(UsageError, match=r"an IoU threshold of 1\.5"):
        nms(boxes, scores, 1.5)
