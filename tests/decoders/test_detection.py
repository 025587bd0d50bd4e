import pytest
import torch

from manako.decoders.detection import decode_detections
from manako.errors import NumericError, ShapeError, UsageError
from manako.ops.anchors import grid_anchors
from manako.ops.boxes import decode_boxes, encode_boxes, iou_matrix
from manako.structures import AnchorRaw, Frame

ANCHORS = grid_anchors((4, 4), 8, [(8, 8), (14, 10), (20, 20)])
FRAME = Frame((64, 48), input_hw=(32, 32), content_hw=(32, 24), offset_yx=(0, 4))
CLASSES = 3


def random_raw(pictures=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (pictures, len(ANCHORS))
    return AnchorRaw(
        torch.randn(*shape, CLASSES + 1, generator=generator) * 2,
        torch.randn(*shape, 4, generator=generator),
        ANCHORS,
    )


def decode_by_definition(raw, frame, score_threshold, iou_threshold, per_class, keep):
    """One picture, one step after the other, in Python lists."""
    boxes = frame.boxes_to_original(decode_boxes(raw.offsets[0], raw.anchors_xyxy))
    scores = torch.softmax(raw.class_logits[0], dim=1)[:, 1:].tolist()
    iou = iou_matrix(boxes, boxes).tolist()
    kept = []
    for label in range(CLASSES):
        ranked = sorted(range(len(boxes)), key=lambda a: (-scores[a][label], a))
        ranked = [a for a in ranked if scores[a][label] >= score_threshold]
        ranked = [a for a in ranked if (boxes[a, 2:] > boxes[a, :2]).all()][:per_class]
        stay = []
        for anchor in ranked:
            if all(iou[anchor][other] <= iou_threshold for other in stay):
                stay.append(anchor)
        kept += [(-scores[anchor][label], anchor, label) for anchor in stay]
    kept = sorted(kept)[:keep]
    return [(-s, boxes[a].tolist(), label) for s, a, label in kept]


@pytest.mark.parametrize(
    ("score_threshold", "per_class", "keep"),
    [(0.01, 400, 200), (0.2, 400, 200), (0.01, 6, 10), (0.01, 2, 200)],
)
def test_decoding_equals_the_definition(score_threshold, per_class, keep):
    raw = random_raw()

    (found,) = decode_detections(
        raw,
        [FRAME],
        score_threshold=score_threshold,
        iou_threshold=0.4,
        per_class=per_class,
        keep=keep,
    )

    expected = decode_by_definition(raw, FRAME, score_threshold, 0.4, per_class, keep)
    assert found.labels.tolist() == [label for _, _, label in expected]
    torch.testing.assert_close(found.scores, torch.tensor([score for score, _, _ in expected]))
    torch.testing.assert_close(found.boxes_xyxy, torch.tensor([box for _, box, _ in expected]))
    assert len(found) > 4


def test_decoding_the_encoded_objects_returns_the_objects_in_the_original_picture():
    originals = torch.tensor([[2.0, 4.0, 18.0, 20.0], [20.0, 30.0, 47.0, 63.0]])
    anchors = [0, 30]
    logits = torch.zeros(1, len(ANCHORS), CLASSES + 1)
    logits[..., 0] = 20
    offsets = torch.zeros(1, len(ANCHORS), 4)
    for box, anchor, label in zip(FRAME.boxes_to_input(originals), anchors, (2, 0), strict=True):
        logits[0, anchor, label + 1] = 40 - anchor / 10
        offsets[0, anchor] = encode_boxes(box, ANCHORS[anchor])

    (found,) = decode_detections(AnchorRaw(logits, offsets, ANCHORS), [FRAME])

    torch.testing.assert_close(found.boxes_xyxy, originals, rtol=1e-5, atol=1e-4)
    assert found.labels.tolist() == [2, 0]
    assert (found.scores > 0.99).all()


def test_boxes_in_the_padding_are_dropped_and_others_clipped():
    anchors = torch.tensor([[0.0, 0.0, 4.0, 32.0], [0.0, 0.0, 8.0, 8.0]])
    raw = AnchorRaw(torch.tensor([[[0.0, 9.0], [0.0, 9.0]]]), torch.zeros(1, 2, 4), anchors)

    (found,) = decode_detections(raw, [FRAME])

    assert found.boxes_xyxy.tolist() == [[0.0, 0.0, 8.0, 16.0]]


def test_of_equal_scores_the_lower_anchor_then_the_lower_class_comes_first():
    anchors = torch.tensor([[0.0, 0, 8, 8], [16.0, 0, 24, 8], [0.0, 16, 8, 24]])
    raw = AnchorRaw(torch.zeros(1, 3, 3), torch.zeros(1, 3, 4), anchors)
    frame = Frame((32, 32), input_hw=(32, 32), content_hw=(32, 32))

    (found,) = decode_detections(raw, [frame], keep=5)

    corners = [[0, 0], [0, 0], [16, 0], [16, 0], [0, 16]]
    assert found.boxes_xyxy[:, :2].tolist() == corners
    assert found.labels.tolist() == [0, 1, 0, 1, 0]


def test_a_picture_in_a_batch_gives_what_it_gives_alone():
    both = random_raw(2)
    frames = [FRAME, Frame((32, 32), input_hw=(32, 32), content_hw=(32, 32))]

    together = decode_detections(both, frames)

    for picture, frame in enumerate(frames):
        alone = AnchorRaw(
            both.class_logits[picture : picture + 1], both.offsets[picture : picture + 1], ANCHORS
        )
        (found,) = decode_detections(alone, [frame])
        assert torch.equal(found.boxes_xyxy, together[picture].boxes_xyxy)
        assert torch.equal(found.labels, together[picture].labels)


def test_a_picture_without_likely_objects_has_no_detections():
    raw = random_raw()

    (found,) = decode_detections(raw, [FRAME], score_threshold=1.0)

    assert found.boxes_xyxy.shape == (0, 4)


def test_offsets_however_large_give_finite_boxes_inside_the_picture():
    raw = random_raw()
    raw.offsets[:, ::3] = torch.tensor([0.0, 0.0, 3e38, 3e38])
    raw.offsets[:, 1::3] = torch.tensor([3e38, -3e38, 3e38, 3e38])

    (found,) = decode_detections(raw, [FRAME])

    assert found.boxes_xyxy.isfinite().all()
    assert [0.0, 0.0, 48.0, 64.0] in found.boxes_xyxy.tolist()
    assert (found.boxes_xyxy[:, 2:] <= torch.tensor([48.0, 64.0])).all()
    assert (found.boxes_xyxy[:, :2] >= 0).all()


@pytest.mark.parametrize("field", ["class_logits", "offsets"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_raw_output_that_is_not_finite_is_refused(field, bad):
    raw = random_raw()
    getattr(raw, field)[0, 3, 2] = bad

    with pytest.raises(NumericError, match="are not all finite numbers"):
        decode_detections(raw, [FRAME])


def test_what_does_not_fit_is_refused():
    raw = random_raw()

    with pytest.raises(ShapeError, match="1 pictures came with 0 frames"):
        decode_detections(raw, [])
    with pytest.raises(UsageError, match=r"a score threshold of 1\.5"):
        decode_detections(raw, [FRAME], score_threshold=1.5)
    with pytest.raises(UsageError, match="an IoU threshold of -1"):
        decode_detections(raw, [FRAME], iou_threshold=-1)
    with pytest.raises(UsageError, match="0 boxes of each class and 5 of all"):
        decode_detections(raw, [FRAME], per_class=0, keep=5)
