"""Average precision against pycocotools, the code by which COCO's numbers are defined."""

import contextlib
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from manako.errors import DataError
from manako.metrics.detection import DetectionMetric
from manako.structures import BoxTargets, Detections

NAMES = ("a", "b", "c")


def xywh(box):
    x1, y1, x2, y2 = box.double().tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def by_pycocotools(pictures):
    """Precision [T, R, K] of COCOeval at all areas and 100 detections."""
    annotations, results = [], []
    for picture, (found, truth) in enumerate(pictures):
        crowds = truth.ignored_mask.tolist()
        for box, label, crowd in zip(truth.boxes_xyxy, truth.labels.tolist(), crowds, strict=True):
            side = xywh(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,  # an id of 0 would count as "not matched"
                    "image_id": picture,
                    "category_id": label,
                    "bbox": side,
                    "area": side[2] * side[3],
                    "iscrowd": int(crowd),
                }
            )
        rows = zip(found.boxes_xyxy, found.scores.tolist(), found.labels.tolist(), strict=True)
        for box, score, label in rows:
            results.append(
                {"image_id": picture, "category_id": label, "bbox": xywh(box), "score": score}
            )
    truth_set = COCO()
    truth_set.dataset = {
        "info": {},
        "images": [{"id": picture} for picture in range(len(pictures))],
        "annotations": annotations,
        "categories": [{"id": label, "name": name} for label, name in enumerate(NAMES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set.createIndex()
        found_set = truth_set.loadRes(results) if results else COCO()  # loadRes fails on nothing
        evaluation = COCOeval(truth_set, found_set, "bbox")
        evaluation.params.imgIds = list(range(len(pictures)))
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2]


def check_equal(pictures):
    metric = DetectionMetric(NAMES)
    metric.update([found for found, _ in pictures], [truth for _, truth in pictures])
    precision = by_pycocotools(pictures)
    known = [label for label in range(len(NAMES)) if (precision[:, :, label] > -1).all()]
    if not known:
        with pytest.raises(DataError, match="no object to find"):
            metric.scores(intervals=False)
        return

    scores = metric.scores(intervals=False)

    expected = {
        "AP": precision[:, :, known].mean(),
        "AP50": precision[0][:, known].mean(),
        "AP75": precision[5][:, known].mean(),
    }
    found = {name: score.value for name, score in scores.overall.items()}
    assert found == pytest.approx(expected, abs=1e-9)
    assert list(scores.per_class) == [NAMES[label] for label in known]
    for label in known:
        own = scores.per_class[NAMES[label]]
        assert own["AP"].value == pytest.approx(precision[:, :, label].mean(), abs=1e-9)
        assert own["AP50"].value == pytest.approx(precision[0, :, label].mean(), abs=1e-9)


def truth_of(rows):
    boxes = torch.tensor(np.array([row[0] for row in rows], dtype=np.float32)).reshape(-1, 4)
    labels = torch.tensor([row[1] for row in rows], dtype=torch.int64)
    return BoxTargets(boxes, labels, torch.tensor([row[2] for row in rows], dtype=torch.bool))


def found_of(rows):
    boxes = torch.tensor(np.array([row[0] for row in rows], dtype=np.float32)).reshape(-1, 4)
    scores = torch.tensor([row[2] for row in rows], dtype=torch.float32)
    return Detections(boxes, scores, torch.tensor([row[1] for row in rows], dtype=torch.int64))


# Few places and few scores: equal overlaps, equal scores and overlaps exactly at a threshold
# are the rule here and not the exception.
place = st.integers(0, 6)
box = st.tuples(place, place, st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
label = st.sampled_from([0, 0, 1, 2])
crowd = st.sampled_from([False, False, False, True])
score = st.sampled_from([0.1, 0.5, 0.5, 0.7, 0.9])
picture = st.tuples(
    st.lists(st.tuples(box, label, score), max_size=8).map(found_of),
    st.lists(st.tuples(box, label, crowd), max_size=6).map(truth_of),
)


@given(st.lists(picture, min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_equals_pycocotools_where_everything_ties(pictures):
    check_equal(pictures)


def busy_pictures(seed, pictures, objects, extra, jitter):
    """Objects found more or less well, some twice, among false alarms."""
    generator = np.random.Generator(np.random.Philox(seed))
    result = []
    for _ in range(pictures):
        count = int(generator.integers(0, objects + 1))
        corner = generator.uniform(0, 300, (count, 2))
        true = np.concatenate([corner, corner + generator.uniform(5, 120, (count, 2))], axis=1)
        labels = generator.integers(0, len(NAMES), count)
        crowds = generator.random(count) < 0.15
        corner = generator.uniform(0, 300, (extra, 2))
        alarms = np.concatenate([corner, corner + generator.uniform(5, 120, (extra, 2))], axis=1)
        near = np.concatenate([true, true[::2]])
        near = near + generator.normal(0, jitter, near.shape)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        said = np.concatenate([labels, labels[::2], generator.integers(0, len(NAMES), extra)])
        scores = generator.random(len(said)).round(2)
        result.append(
            (
                found_of(list(zip([*near, *alarms], said, scores, strict=True))),
                truth_of(list(zip(true, labels, crowds, strict=True))),
            )
        )
    return result


@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools_on_busy_pictures(seed):
    jitter = (2, 6, 15)[seed % 3]

    check_equal(busy_pictures(seed, pictures=15, objects=25, extra=20, jitter=jitter))


def test_equals_pycocotools_beyond_100_detections_of_a_class():
    check_equal(busy_pictures(99, pictures=3, objects=30, extra=500, jitter=3))


def test_equals_pycocotools_without_any_detection():
    nothing = found_of([])

    check_equal([(nothing, truth_of([([0, 0, 5, 5], 1, False)])), (nothing, truth_of([]))])


def test_equals_pycocotools_without_any_object():
    check_equal([(found_of([([0, 0, 5, 5], 1, 0.5)]), truth_of([]))])


def test_equals_pycocotools_for_boxes_without_area():
    flat = [2, 2, 2, 6]

    check_equal(
        [
            (
                found_of([(flat, 0, 0.9), ([0, 0, 4, 4], 0, 0.8)]),
                truth_of([(flat, 0, False), ([0, 0, 4, 4], 0, False), (flat, 1, True)]),
            )
        ]
    )
