import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.errors import UsageError
from manako.ops.boxes import iou_matrix
from manako.ops.matching import match_anchors

small = st.integers(0, 10)
box = st.tuples(small, small, st.integers(0, 6), st.integers(1, 6)).map(
    lambda b: [float(v) for v in (b[0], b[1], b[0] + b[2], b[1] + b[3])]
)


def match_by_definition(anchors, boxes, threshold):
    """Settle pairs one by one from the largest overlap down, then fill in by the threshold."""
    iou = iou_matrix(anchors, boxes).tolist()
    anchor_count, box_count = len(anchors), len(boxes)
    matched = [-1] * anchor_count
    for a in range(anchor_count):
        best = max(range(box_count), key=lambda b: (iou[a][b], -b), default=None)
        if best is not None and iou[a][best] >= threshold:
            matched[a] = best
    pairs = [(-iou[a][b], b, a) for a in range(anchor_count) for b in range(box_count)]
    used_boxes, used_anchors = set(), set()
    for negative, b, a in sorted(pairs):
        if negative < 0 and b not in used_boxes and a not in used_anchors:
            used_boxes.add(b)
            used_anchors.add(a)
            matched[a] = b
    return matched


@given(st.lists(box, max_size=8), st.lists(box, max_size=6), st.sampled_from([0.3, 0.5, 1.0]))
@settings(deadline=None, max_examples=200)
def test_matching_equals_the_definition(anchors, boxes, threshold):
    anchors_xyxy = torch.tensor(anchors).reshape(-1, 4)
    boxes_xyxy = torch.tensor(boxes).reshape(-1, 4)

    matched = match_anchors(anchors_xyxy, boxes_xyxy, threshold)

    assert matched.dtype == torch.int64
    assert matched.tolist() == match_by_definition(anchors_xyxy, boxes_xyxy, threshold)


def test_two_objects_that_want_the_same_anchor_both_get_one():
    anchors_xyxy = torch.tensor([[0.0, 0, 10, 10], [8.0, 8, 30, 30]])
    boxes_xyxy = torch.tensor([[0.0, 0, 9, 9], [0.0, 0, 10, 10]])

    matched = match_anchors(anchors_xyxy, boxes_xyxy)

    assert matched.tolist() == [1, 0]


def test_an_object_that_touches_no_anchor_is_nobodys():
    anchors_xyxy = torch.tensor([[0.0, 0, 4, 4]])
    boxes_xyxy = torch.tensor([[10.0, 10, 20, 20], [2.0, 2, 2, 2]])

    assert match_anchors(anchors_xyxy, boxes_xyxy).tolist() == [-1]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_a_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(UsageError, match="a matching threshold of"):
        match_anchors(torch.zeros(1, 4), torch.zeros(1, 4), threshold)
