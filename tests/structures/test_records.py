"""Targets, samples, batches, predictions and raw outputs refuse what breaks their contract."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from manako.errors import ShapeError
from manako.structures import (
    AnchorRaw,
    Batch,
    BoxTargets,
    ClassPrediction,
    ClassRaw,
    ClassTarget,
    Detections,
    Frame,
    LabelMap,
    MaskTarget,
    Sample,
)

BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 2.0, 3.0, 5.0], [2.0, 2.0, 2.0, 2.0]])
LABELS = torch.tensor([2, 0, 1])
PICTURE = torch.zeros(3, 4, 6, dtype=torch.uint8)
FRAME = Frame((4, 6), (4, 6), (4, 6))


def whole_batch():
    return {
        "images": torch.zeros(2, 3, 4, 6, dtype=torch.uint8),
        "targets": (ClassTarget(0), None),
        "frames": (FRAME, FRAME),
        "names": ("a", "b"),
    }


REFUSED = {
    "label": (lambda: ClassTarget(-1), "a label must be 0 or more, not -1"),
    "box width": (
        lambda: BoxTargets(torch.zeros(3, 5), LABELS),
        r"boxes_xyxy must have shape \(3, 4\), not \(3, 5\)",
    ),
    "box count": (
        lambda: BoxTargets(BOXES[:2], LABELS),
        r"boxes_xyxy must have shape \(3, 4\), not \(2, 4\)",
    ),
    "box labels": (
        lambda: BoxTargets(BOXES, LABELS.float()),
        "labels must be int64, not torch.float32",
    ),
    "ignored shape": (
        lambda: BoxTargets(BOXES, LABELS, torch.zeros(2, dtype=torch.bool)),
        r"ignored must be bool of shape \(3,\)",
    ),
    "ignored type": (
        lambda: BoxTargets(BOXES, LABELS, torch.zeros(3)),
        r"ignored must be bool of shape \(3,\)",
    ),
    "mask shape": (
        lambda: MaskTarget(torch.zeros(1, 4, 6, dtype=torch.uint8)),
        r"a mask must be uint8 of shape \(H, W\), not torch.uint8 of shape \(1, 4, 6\)",
    ),
    "mask type": (lambda: MaskTarget(torch.zeros(4, 6)), "not torch.float32 of shape"),
    "image type": (
        lambda: Sample(PICTURE.double(), None, "cat/7.png"),
        r"cat/7.png: an image must be uint8 of shape \(1 or 3, H, W\), not torch.float64",
    ),
    "image channels": (
        lambda: Sample(PICTURE[:2], None, "cat/7.png"),
        r"of shape \(2, 4, 6\)",
    ),
    "image dimensions": (lambda: Sample(PICTURE[0], None, "cat/7.png"), r"of shape \(4, 6\)"),
    "mask of another size": (
        lambda: Sample(PICTURE, MaskTarget(torch.zeros(6, 4, dtype=torch.uint8)), "a.png"),
        r"a.png: the mask is \(6, 4\) pixels \(height, width\), the picture \(4, 6\)",
    ),
    "batch images": (
        lambda: Batch(**whole_batch() | {"images": torch.zeros(2, 3, 4, 6).double()}),
        r"images must be uint8 of shape \(B, C, H, W\), not torch.float64",
    ),
    "batch targets": (
        lambda: Batch(**whole_batch() | {"targets": ()}),
        "targets must have 2 entries, not 0",
    ),
    "batch frames": (
        lambda: Batch(**whole_batch() | {"frames": (FRAME,)}),
        "frames must have 2 entries, not 1",
    ),
    "batch names": (
        lambda: Batch(**whole_batch() | {"names": ("a", "b", "c")}),
        "names must have 2 entries, not 3",
    ),
    "probabilities": (
        lambda: ClassPrediction(torch.zeros(1, 3)),
        r"probabilities must have shape \(K,\), not \(1, 3\)",
    ),
    "detected boxes": (
        lambda: Detections(BOXES[:2], torch.zeros(3), LABELS),
        r"boxes_xyxy must have shape \(3, 4\), not \(2, 4\)",
    ),
    "detected labels": (
        lambda: Detections(BOXES, torch.zeros(3), LABELS.int()),
        r"labels must be int64 of shape \(3,\)",
    ),
    "label map": (
        lambda: LabelMap(torch.zeros(4, 6)),
        r"a label map must be uint8 of shape \(H, W\), not torch.float32 of shape \(4, 6\)",
    ),
    "offsets": (
        lambda: AnchorRaw(torch.zeros(2, 5, 3), torch.zeros(2, 4, 4), torch.zeros(5, 4)),
        r"offsets must have shape \(2, 5, 4\), not \(2, 4, 4\)",
    ),
    "anchors": (
        lambda: AnchorRaw(torch.zeros(2, 5, 3), torch.zeros(2, 5, 4), torch.zeros(4, 5)),
        r"anchors_xyxy must have shape \(5, 4\), not \(4, 5\)",
    ),
    "auxiliary": (
        lambda: ClassRaw(torch.zeros(2, 3), (torch.zeros(2, 3), torch.zeros(2, 4))),
        r"auxiliary logits must have shape \(2, 3\), not \(2, 4\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_contract_is_refused_with_its_message(name):
    make, message = REFUSED[name]

    with pytest.raises(ShapeError, match=message):
        make()


@pytest.mark.parametrize(
    "record",
    [ClassTarget(0), BoxTargets(BOXES, LABELS), Sample(PICTURE, None, "a"), Batch(**whole_batch())],
    ids=lambda record: type(record).__name__,
)
def test_records_cannot_be_changed(record):
    field = dataclasses.fields(record)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, None)


def test_selected_boxes_keep_their_labels_and_marks():
    targets = BoxTargets(BOXES, LABELS, torch.tensor([False, True, False]))

    kept = targets.select(torch.tensor([False, True, True]))

    assert kept.boxes_xyxy.equal(BOXES[1:])
    assert kept.labels.tolist() == [0, 1]
    assert kept.ignored_mask.tolist() == [True, False]


def test_moved_boxes_keep_their_labels_and_marks():
    targets = BoxTargets(BOXES, LABELS, torch.tensor([False, True, False]))

    moved = targets.with_boxes(BOXES + 1)

    assert moved.boxes_xyxy.equal(BOXES + 1)
    assert moved.labels.equal(LABELS)
    assert moved.ignored_mask.tolist() == [False, True, False]


def test_without_marks_nothing_is_ignored():
    assert BoxTargets(BOXES, LABELS).ignored_mask.tolist() == [False] * 3


def test_lengths_and_sizes():
    assert len(BoxTargets(BOXES, LABELS)) == 3
    assert len(Detections(BOXES, torch.zeros(3), LABELS)) == 3
    assert len(Batch(**whole_batch())) == 2
    assert Sample(PICTURE, None, "a").size_hw == (4, 6)
    assert Sample(PICTURE[:1], MaskTarget(PICTURE[0]), "a").size_hw == (4, 6)


def test_no_objects_is_a_valid_truth_and_a_valid_answer():
    nothing = torch.zeros(0, dtype=torch.int64)

    assert len(BoxTargets(torch.zeros(0, 4), nothing)) == 0
    assert len(Detections(torch.zeros(0, 4), torch.zeros(0), nothing).above(0.5)) == 0


def test_of_equally_probable_classes_the_first_is_the_label():
    prediction = ClassPrediction(torch.tensor([0.2, 0.4, 0.4]))

    assert prediction.label == 1
    assert prediction.score == pytest.approx(0.4)


def test_only_objects_at_or_above_the_score_are_kept():
    found = Detections(BOXES, torch.tensor([0.75, 0.5, 0.25]), LABELS)

    sure = found.above(0.5)

    assert sure.scores.tolist() == [0.75, 0.5]
    assert sure.boxes_xyxy.equal(BOXES[:2])
    assert sure.labels.tolist() == [2, 0]


def test_the_raw_output_of_any_classifier_has_logits():
    logits, inner = torch.zeros(2, 3), torch.ones(2, 3)
    raw = ClassRaw(logits, (inner,))

    assert ClassRaw.of(raw) is raw
    assert ClassRaw.of(logits).logits is logits
    assert ClassRaw.of(logits).auxiliary == ()
    assert [one is other for one, other in zip(raw.learned, (logits, inner), strict=True)] == [
        True,
        True,
    ]
