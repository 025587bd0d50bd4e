import math

import pytest
import torch

from manako.errors import DataError, UsageError
from manako.losses.detection import assign_targets, hardest_negatives, multibox_loss
from manako.ops.anchors import grid_anchors
from manako.ops.boxes import decode_boxes, encode_boxes, iou_matrix
from manako.ops.matching import match_anchors
from manako.structures import AnchorRaw, BoxTargets, ClassTarget

ANCHORS = torch.cat(
    [grid_anchors((4, 4), 8, [(8, 8), (14, 8)]), grid_anchors((2, 2), 16, [(20, 20), (16, 30)])]
)
CLASSES = 3


def no_boxes():
    return BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def random_targets(count, seed, ignored=()):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 20
    sides = torch.rand(count, 2, generator=generator) * 16 + 4
    flags = torch.tensor([index in ignored for index in range(count)], dtype=torch.bool)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return BoxTargets(torch.cat([corner, corner + sides], dim=1), labels, flags)


def random_raw(pictures, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    shape = (pictures, len(ANCHORS))
    logits = torch.randn(*shape, CLASSES + 1, generator=generator, dtype=dtype)
    offsets = torch.randn(*shape, 4, generator=generator, dtype=dtype)
    return AnchorRaw(logits, offsets, ANCHORS)


def smooth_l1(x):
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def minus_log_p(logits, column):
    return math.log(sum(math.exp(value) for value in logits)) - logits[column]


def by_definition(raw, targets, ratio=3):
    """Equations 1 to 3 with hard negative mining, anchor by anchor in Python floats."""
    class_loss, box_loss, positives = 0.0, 0.0, 0
    anchors = raw.anchors_xyxy
    for picture, target in enumerate(targets):
        known = target.select(~target.ignored_mask)
        crowds = target.select(target.ignored_mask)
        matched = match_anchors(anchors, known.boxes_xyxy, 0.5).tolist()
        near_crowd = iou_matrix(anchors, crowds.boxes_xyxy).tolist()
        negatives, own = [], 0
        for anchor, box in enumerate(matched):
            logits = raw.class_logits[picture, anchor].tolist()
            if box >= 0:
                own += 1
                class_loss += minus_log_p(logits, int(known.labels[box]) + 1)
                code = encode_boxes(known.boxes_xyxy[box], anchors[anchor]).tolist()
                said = raw.offsets[picture, anchor].tolist()
                box_loss += sum(smooth_l1(a - b) for a, b in zip(said, code, strict=True))
            elif all(overlap < 0.5 for overlap in near_crowd[anchor]):
                negatives.append(minus_log_p(logits, 0))
        class_loss += sum(sorted(negatives, reverse=True)[: ratio * max(own, 1)])
        positives += own
    return class_loss / max(positives, 1), box_loss / max(positives, 1)


@pytest.mark.parametrize("ratio", [1, 3, 50])
def test_multibox_loss_equals_equations_1_to_3(ratio):
    raw = random_raw(4, dtype=torch.float64)
    targets = [
        random_targets(4, 1),
        no_boxes(),
        random_targets(5, 2, ignored=(0, 3)),
        random_targets(2, 3, ignored=(0, 1)),
    ]

    loss = multibox_loss(raw, targets, negatives_per_positive=ratio)

    expected = by_definition(raw, targets, ratio)
    assert list(loss) == ["class", "box"]
    assert float(loss["class"]) == pytest.approx(expected[0], rel=1e-5)
    assert float(loss["box"]) == pytest.approx(expected[1], rel=1e-5)


def test_the_targets_of_the_anchors_decode_to_the_targets():
    truth = random_targets(4, 5)

    classes, offsets, _ = assign_targets(ANCHORS, truth, 0.5)

    positive = classes > 0
    matched = match_anchors(ANCHORS, truth.boxes_xyxy)[positive]
    decoded = decode_boxes(offsets[positive], ANCHORS[positive])
    torch.testing.assert_close(decoded, truth.boxes_xyxy[matched], rtol=1e-5, atol=1e-4)
    assert torch.equal(classes[positive] - 1, truth.labels[matched])
    assert set(matched.tolist()) == {0, 1, 2, 3}


def test_a_batch_without_objects_has_a_finite_loss_from_its_hardest_negatives():
    raw = random_raw(2)

    loss = multibox_loss(raw, [no_boxes(), no_boxes()])

    background = torch.log_softmax(raw.class_logits, dim=2)[..., 0]
    expected = -background.topk(3, dim=1, largest=False).values.sum()
    torch.testing.assert_close(loss["class"], expected)
    assert loss["box"].item() == 0


def test_ignored_objects_are_neither_positives_nor_negatives():
    crowd = BoxTargets(
        ANCHORS[5:6].clone(), torch.tensor([1]), ignored=torch.ones(1, dtype=torch.bool)
    )

    classes, offsets, may_be_negative = assign_targets(ANCHORS, crowd, 0.5)

    overlap = iou_matrix(ANCHORS, crowd.boxes_xyxy)[:, 0]
    assert not classes.any()
    assert not offsets.any()
    assert torch.equal(may_be_negative, overlap < 0.5)
    assert not may_be_negative[5]


def test_of_equally_hard_negatives_the_first_are_taken():
    surprise = torch.ones(1, 6)
    positive = torch.tensor([[False, True, False, False, False, False]])

    chosen = hardest_negatives(surprise, positive, ~positive, 3)

    assert chosen.tolist() == [[True, False, True, True, False, False]]


def test_gradients_of_the_multibox_loss_are_right():
    targets = [random_targets(2, 1), no_boxes()]
    raw = random_raw(2, dtype=torch.float64)
    logits, offsets = raw.class_logits[:, :12].clone(), raw.offsets[:, :12].clone()

    def total(class_logits, box_offsets):
        losses = multibox_loss(AnchorRaw(class_logits, box_offsets, ANCHORS[:12]), targets)
        return losses["class"] + losses["box"]

    assert torch.autograd.gradcheck(total, (logits.requires_grad_(), offsets.requires_grad_()))


def test_half_precision_is_computed_in_float32():
    raw = random_raw(1)
    half = AnchorRaw(raw.class_logits.bfloat16(), raw.offsets.bfloat16(), ANCHORS)
    whole = AnchorRaw(half.class_logits.float(), half.offsets.float(), ANCHORS)
    targets = [random_targets(3, 1)]

    from_half, from_whole = multibox_loss(half, targets), multibox_loss(whole, targets)

    assert from_half["class"].dtype == from_half["box"].dtype == torch.float32
    assert from_half == from_whole


def test_a_raw_output_that_is_not_finite_shows_in_the_loss():
    raw = random_raw(1)
    raw.class_logits[0, 3, 1] = float("nan")

    assert not multibox_loss(raw, [no_boxes()])["class"].isfinite()


def test_what_does_not_fit_is_refused():
    raw = random_raw(1)
    stranger = BoxTargets(torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([3]))

    with pytest.raises(DataError, match=r"objects of classes \[3\] for a network of 3 classes"):
        multibox_loss(raw, [stranger])
    with pytest.raises(DataError, match="picture 1 of 1 has no truth"):
        multibox_loss(raw, [None])
    with pytest.raises(UsageError, match="picture 1 of 1 has a ClassTarget"):
        multibox_loss(raw, [ClassTarget(0)])
    with pytest.raises(UsageError, match="0 negatives for each positive"):
        multibox_loss(raw, [no_boxes()], negatives_per_positive=0)
    with pytest.raises(UsageError, match="a matching threshold of 0"):
        multibox_loss(raw, [no_boxes()], iou_threshold=0)
