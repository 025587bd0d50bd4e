import math

import pytest
import torch
import torchvision.ops
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.errors import ShapeError, UsageError
from manako.ops.boxes import MAX_LOG_SCALE, area, decode_boxes, encode_boxes, iou_matrix

coordinate = st.floats(-1000, 1000, width=32)
side = st.floats(0, 1000, width=32)
box = st.tuples(coordinate, coordinate, side, side).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
boxes = st.lists(box, min_size=0, max_size=6).map(lambda b: torch.tensor(b).reshape(-1, 4))
solid_box = st.tuples(coordinate, coordinate, *[st.floats(1, 500, width=32)] * 2).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


def random_boxes(count, seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=dtype) * 50
    sides = torch.rand(count, 2, generator=generator, dtype=dtype) * 40 + 1
    return torch.cat([corner, corner + sides], dim=1)


def iou_by_definition(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def test_iou_equals_the_definition():
    a, b = random_boxes(7, 0, torch.float64), random_boxes(9, 1, torch.float64)

    iou = iou_matrix(a, b)

    expected = [[iou_by_definition(one, two) for two in b.tolist()] for one in a.tolist()]
    torch.testing.assert_close(iou, torch.tensor(expected, dtype=torch.float64))
    assert (iou > 0).any()


def test_iou_equals_torchvision():
    a, b = random_boxes(50, 2), random_boxes(60, 3)

    torch.testing.assert_close(iou_matrix(a, b), torchvision.ops.box_iou(a, b))


def test_iou_of_the_reference_fixture():
    iou = iou_matrix(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([[5.0, 5, 14, 14]]))

    assert iou.item() == pytest.approx(0.109589, abs=1e-6)


def test_boxes_without_area_overlap_nothing_not_even_themselves():
    points = torch.tensor([[3.0, 3, 3, 3], [0, 0, 5, 0]])

    assert iou_matrix(points, points).tolist() == [[0, 0], [0, 0]]


@given(boxes, boxes)
@settings(deadline=None, max_examples=100)
def test_iou_is_symmetric_and_between_0_and_1(a, b):
    iou = iou_matrix(a, b)

    assert iou.shape == (len(a), len(b))
    assert torch.equal(iou, iou_matrix(b, a).T)
    assert bool(((iou >= 0) & (iou <= 1)).all())


@given(st.lists(solid_box, min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_a_box_overlaps_itself_wholly(some):
    boxes_xyxy = torch.tensor(some)

    assert iou_matrix(boxes_xyxy, boxes_xyxy).diagonal().tolist() == [1.0] * len(some)


def test_area_of_a_box_turned_inside_out_is_0():
    turned = torch.tensor([[5.0, 0, 1, 4], [5, 5, 1, 1], [0, 0, 2, 3]])

    assert area(turned).tolist() == [0, 0, 6]


def test_offsets_are_equation_2_of_the_paper_over_the_variances():
    box_xyxy = torch.tensor([10.0, 20.0, 30.0, 80.0])  # centre (20, 50), 20 x 60
    anchor_xyxy = torch.tensor([8.0, 30.0, 18.0, 60.0])  # centre (13, 45), 10 x 30

    offsets = encode_boxes(box_xyxy, anchor_xyxy, (0.5, 0.25, 0.2, 0.1))

    expected = [7 / 10 / 0.5, 5 / 30 / 0.25, math.log(2) / 0.2, math.log(2) / 0.1]
    assert offsets.tolist() == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.tuples(solid_box, solid_box), min_size=1, max_size=5))
@settings(deadline=None, max_examples=100)
def test_decoding_the_encoded_boxes_returns_the_boxes(pairs):
    boxes_xyxy, anchors_xyxy = (
        torch.tensor(part, dtype=torch.float64) for part in zip(*pairs, strict=True)
    )

    back = decode_boxes(encode_boxes(boxes_xyxy, anchors_xyxy), anchors_xyxy)

    torch.testing.assert_close(back, boxes_xyxy, rtol=1e-9, atol=1e-6)


def test_gradients_of_the_box_code_are_right():
    boxes_xyxy, anchors_xyxy = random_boxes(3, 4, torch.float64), random_boxes(3, 5, torch.float64)
    boxes_xyxy.requires_grad_()
    offsets = torch.randn(
        3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )

    assert torch.autograd.gradcheck(lambda b: encode_boxes(b, anchors_xyxy), boxes_xyxy)
    assert torch.autograd.gradcheck(lambda o: decode_boxes(o, anchors_xyxy), offsets)


def test_wild_offsets_give_large_boxes_and_no_infinite_ones():
    anchor_xyxy = torch.tensor([[0.0, 0.0, 10.0, 10.0]])

    decoded = decode_boxes(torch.tensor([[0.0, 0.0, 1e30, 1e30]]), anchor_xyxy)

    half = 5 * math.exp(MAX_LOG_SCALE)
    assert decoded[0].tolist() == pytest.approx([5 - half, 5 - half, 5 + half, 5 + half])


@pytest.mark.parametrize("flat", ["box", "anchor"])
def test_a_box_or_anchor_without_area_has_no_code(flat):
    solid, empty = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 0, 2, 0]])
    pair = (empty, solid) if flat == "box" else (solid, empty)

    with pytest.raises(UsageError, match="without width or height cannot be encoded"):
        encode_boxes(*pair)


def test_tensors_that_are_no_boxes_are_refused():
    with pytest.raises(ShapeError, match=r"boxes_xyxy must have shape \(\.\.\., 4\), not \(2, 5\)"):
        area(torch.zeros(2, 5))
    with pytest.raises(ShapeError, match=r"offsets must have shape \(\.\.\., 4\), not \(3,\)"):
        decode_boxes(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ShapeError, match=r"boxes_xyxy must be floats, not torch\.int64"):
        area(torch.zeros(2, 4, dtype=torch.int64))
