"""Boxes at the border of a picture: clipped, and gone when too little is left."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.structures import BoxTargets, boxes_inside

corner = st.floats(-50, 150, width=32)
sizes = st.tuples(st.integers(1, 100), st.integers(1, 100))
least_sides = st.floats(0, 20)


@st.composite
def targets(draw):
    boxes = torch.tensor(draw(st.lists(st.tuples(*[corner] * 4), max_size=6))).reshape(-1, 4)
    boxes = torch.cat([boxes[:, :2].minimum(boxes[:, 2:]), boxes[:, :2].maximum(boxes[:, 2:])], 1)
    count = len(boxes)
    marks = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return BoxTargets(boxes, torch.arange(count), torch.tensor(marks, dtype=torch.bool))


def clipped(box, size_hw):
    """One box at a time, in plain Python."""
    height, width = size_hw
    left, top, right, bottom = box
    return [
        min(max(left, 0.0), width),
        min(max(top, 0.0), height),
        min(max(right, 0.0), width),
        min(max(bottom, 0.0), height),
    ]


@given(targets(), sizes, least_sides)
def test_equals_clipping_each_box_by_itself(target, size_hw, least_side):
    expected = {}
    for label, box in enumerate(target.boxes_xyxy.tolist()):
        left, top, right, bottom = box = clipped(box, size_hw)
        sides = torch.tensor([right, bottom]) - torch.tensor([left, top])
        if (sides >= least_side).all():
            expected[label] = box

    kept = boxes_inside(target, size_hw, least_side)

    assert dict(zip(kept.labels.tolist(), kept.boxes_xyxy.tolist(), strict=True)) == expected
    assert kept.ignored_mask.equal(target.ignored_mask[kept.labels])


@given(targets(), sizes, least_sides)
def test_a_second_time_changes_nothing(target, size_hw, least_side):
    once = boxes_inside(target, size_hw, least_side)

    twice = boxes_inside(once, size_hw, least_side)

    assert twice.boxes_xyxy.equal(once.boxes_xyxy)
    assert twice.labels.equal(once.labels)


def test_a_box_outside_or_thinner_than_a_pixel_goes_and_one_across_the_border_is_cut():
    boxes = torch.tensor(
        [[-5.0, -5.0, 3.0, 4.0], [20.0, 0.0, 30.0, 5.0], [1.0, 1.0, 1.5, 9.0], [0.0, 0.0, 1.0, 1.0]]
    )

    kept = boxes_inside(BoxTargets(boxes, torch.arange(4)), size_hw=(8, 10))

    assert kept.labels.tolist() == [0, 3]
    assert kept.boxes_xyxy.tolist() == [[0, 0, 3, 4], [0, 0, 1, 1]]
