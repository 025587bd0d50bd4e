"""Frames: into the network's input and back again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import ShapeError
from manako.structures import Frame

sides = st.integers(1, 4000)
sizes = st.tuples(sides, sides)
offsets = st.tuples(st.integers(-500, 500), st.integers(-500, 500))
frames = st.builds(Frame, sizes, sizes, sizes, offsets)


@st.composite
def frames_with_boxes(draw):
    """A frame and boxes that lie inside its original picture."""
    frame = draw(frames)
    height, width = frame.original_hw
    corners = draw(st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
    boxes = torch.tensor(corners, dtype=torch.float64).reshape(-1, 4)
    boxes = torch.cat([boxes[:, :2].minimum(boxes[:, 2:]), boxes[:, :2].maximum(boxes[:, 2:])], 1)
    return frame, boxes * torch.tensor([width, height, width, height])


@given(frames_with_boxes())
def test_boxes_come_back_to_where_they_were(case):
    frame, boxes = case

    back = frame.boxes_to_original(frame.boxes_to_input(boxes))

    torch.testing.assert_close(back, boxes, rtol=1e-9, atol=1e-6)


@given(frames)
def test_the_whole_picture_fills_exactly_its_content(frame):
    height, width = frame.original_hw
    top, left = frame.offset_yx

    whole = frame.boxes_to_input(torch.tensor([[0.0, 0.0, width, height]], dtype=torch.float64))

    expected = [[left, top, left + frame.content_hw[1], top + frame.content_hw[0]]]
    torch.testing.assert_close(whole, torch.tensor(expected, dtype=torch.float64))


@given(frames, st.lists(st.tuples(*[st.floats(-9000, 9000)] * 4), min_size=1, max_size=5))
def test_no_box_leaves_the_original_picture(frame, corners):
    height, width = frame.original_hw

    boxes = frame.boxes_to_original(torch.tensor(corners))

    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([width, height, width, height])).all()


def test_a_letterboxed_box_worked_by_hand():
    frame = Frame((100, 200), input_hw=(64, 64), content_hw=(32, 64), offset_yx=(16, 0))

    box = frame.boxes_to_input(torch.tensor([[50.0, 25.0, 150.0, 75.0]]))

    assert frame.scale_yx == (0.32, 0.32)
    torch.testing.assert_close(box, torch.tensor([[16.0, 24.0, 48.0, 40.0]]))


@pytest.mark.parametrize("field", ["original_hw", "input_hw", "content_hw"])
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_a_size_without_pixels_is_refused(field, size):
    fields = {"original_hw": (5, 5), "input_hw": (5, 5), "content_hw": (5, 5)} | {field: size}

    with pytest.raises(
        ShapeError, match=rf"{field} must be at least 1 x 1 pixels, not {size[0]} x"
    ):
        Frame(**fields)
