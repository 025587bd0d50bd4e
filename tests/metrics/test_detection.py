import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.errors import DataError, NumericError, UsageError
from manako.metrics.average_precision import average_precisions, joined, match_picture, overlaps
from manako.metrics.detection import DetectionMetric
from manako.structures import BoxTargets, Detections


def boxes_apart(count, start=0):
    """Boxes of 10 x 10 pixels that do not touch."""
    left = torch.arange(start, start + count, dtype=torch.float32) * 20
    return torch.stack([left, left * 0, left + 10, left * 0 + 10], dim=1)


def detections(boxes_xyxy, scores, labels=None):
    boxes_xyxy = torch.as_tensor(boxes_xyxy, dtype=torch.float32).reshape(-1, 4)
    labels = [0] * len(boxes_xyxy) if labels is None else labels
    return Detections(
        boxes_xyxy,
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.int64),
    )


def truth(boxes_xyxy, labels=None, ignored=None):
    boxes_xyxy = torch.as_tensor(boxes_xyxy, dtype=torch.float32).reshape(-1, 4)
    labels = [0] * len(boxes_xyxy) if labels is None else labels
    ignored = None if ignored is None else torch.tensor(ignored, dtype=torch.bool)
    return BoxTargets(boxes_xyxy, torch.tensor(labels, dtype=torch.int64), ignored)


def scored(pictures, names=("cell",), intervals=False):
    metric = DetectionMetric(names)
    for found, true in pictures:
        metric.update([found], [true])
    return metric, metric.scores(intervals)


def from_flags(flags, objects):
    """One picture whose detections, in order of score, find an object or nothing."""
    hits = iter(boxes_apart(objects))
    misses = iter(boxes_apart(len(flags), start=1000))
    boxes = torch.stack([next(hits) if flag else next(misses) for flag in flags])
    return detections(boxes, np.linspace(0.9, 0.5, len(flags)).tolist()), truth(
        boxes_apart(objects)
    )


@pytest.mark.parametrize(
    ("flags", "objects", "expected"),
    [
        ([1, 0, 1, 1, 0, 1], 5, 0.636964),
        ([1, 1, 0, 0, 1], 3, 0.865347),
        ([1, 0, 1, 1, 0, 0, 1, 1, 1, 0], 10, 0.455446),
        ([1, 1, 1, 0], 10, 0.306931),
        ([0, 1, 1], 2, 0.666667),
    ],
)
def test_ap_of_the_reference_fixtures(flags, objects, expected):
    _, scores = scored([from_flags(flags, objects)])

    assert scores.headline == "AP50"
    assert [scores.overall[name].value for name in ("AP", "AP50", "AP75")] == pytest.approx(
        [expected] * 3, abs=1e-6
    )


def test_a_recall_of_7_in_10_just_misses_its_own_threshold():
    _, scores = scored([from_flags([1] * 7, 10)])

    assert scores.main.value == pytest.approx(70 / 101)  # recalls 0, 0.01 … 0.69


def test_equal_scores_keep_the_order_in_which_they_came():
    hit, miss = boxes_apart(1), boxes_apart(1, start=9)
    both = truth(hit)

    _, hit_first = scored([(detections(torch.cat([hit, miss]), [0.5, 0.5]), both)])
    _, miss_first = scored([(detections(torch.cat([miss, hit]), [0.5, 0.5]), both)])
    _, over_pictures = scored(
        [(detections(miss, [0.5]), truth([])), (detections(hit, [0.5]), truth(hit))]
    )

    assert hit_first.main.value == pytest.approx(1)
    assert miss_first.main.value == pytest.approx(0.5)
    assert over_pictures.main.value == pytest.approx(0.5)


def test_of_equal_overlaps_the_later_object_is_taken():
    # The first detection overlaps both objects alike, the second only the first of them.
    objects = truth([[0, 0, 10, 10], [10, 0, 20, 10]])
    found = detections([[0, 0, 20, 10], [0, 0, 10, 10]], [0.9, 0.8])

    _, scores = scored([(found, objects)])

    assert scores.main.value == pytest.approx(1)


def test_the_overlap_with_a_crowd_is_over_the_area_of_the_detection():
    inside, crowd = np.array([[2.0, 2, 4, 4]]), np.array([[0.0, 0, 10, 10]])

    assert overlaps(inside, crowd, crowd=True).tolist() == [[1.0]]
    assert overlaps(inside, crowd, crowd=False).tolist() == [[0.04]]


def test_a_crowd_takes_any_number_of_detections_and_none_counts():
    crowd_and_cell = truth([[0, 0, 50, 50], [100, 0, 110, 10]], ignored=[True, False])
    inside = [[x, 0.0, x + 8, 8] for x in (0, 9, 18, 27)]
    found = detections([*inside, [100, 0, 110, 10]], [0.9, 0.8, 0.7, 0.6, 0.5])

    _, scores = scored([(found, crowd_and_cell)])

    assert scores.main.value == pytest.approx(1)


def test_a_class_without_objects_is_left_out_and_one_never_found_has_0():
    names = ["cell", "platelet", "ghost"]
    objects = truth(boxes_apart(2), labels=[0, 1])
    found = detections(boxes_apart(2)[[0, 0]], [0.9, 0.8], labels=[0, 2])

    _, scores = scored([(found, objects)], names, intervals=True)

    assert list(scores.per_class) == ["cell", "platelet"]
    assert scores.per_class["cell"]["AP"].value == pytest.approx(1)
    assert scores.per_class["platelet"]["AP50"].value == 0
    assert scores.main.value == pytest.approx(0.5)
    assert scores.confusion is None


def test_only_100_detections_of_a_class_in_a_picture_count():
    misses = boxes_apart(100, start=10)
    boxes = torch.cat([misses, boxes_apart(1)])
    hidden = detections(boxes, [0.9] * 100 + [0.8])
    seen = detections(boxes[1:], [0.9] * 99 + [0.8])

    _, without = scored([(hidden, truth(boxes_apart(1)))])
    _, with_hit = scored([(seen, truth(boxes_apart(1)))])

    assert without.main.value == 0
    assert with_hit.main.value == pytest.approx(0.01)


quarter = st.integers(0, 12).map(lambda v: v * 2.5)
any_box = st.tuples(quarter, quarter, st.integers(1, 6), st.integers(1, 6)).map(
    lambda b: [b[0], b[1], b[0] + 2.5 * b[2], b[1] + 2.5 * b[3]]
)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(any_box, st.booleans()), max_size=4),
            st.lists(any_box, max_size=5),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=60)
def test_counting_a_picture_k_times_is_the_same_as_having_it_k_times(pictures, random):
    each, copies, counts, score = [], [], [], 1.0
    for objects, found, times in pictures:
        scores = []
        for _ in found:
            score -= random.uniform(0.001, 0.01)  # all different
            scores.append(score)
        matches = match_picture(
            np.array(found, dtype=float).reshape(-1, 4),
            np.array(random.sample(scores, len(scores))),
            np.array([box for box, _ in objects], dtype=float).reshape(-1, 4),
            np.array([crowd for _, crowd in objects], dtype=bool),
        )
        each.append(matches)
        copies += [matches] * times
        counts.append(times)

    weighted = average_precisions(joined(each), np.array([counts]))[0]

    if copies:
        repeated = average_precisions(joined(copies), np.ones((1, len(copies)), dtype=np.int64))[0]
        np.testing.assert_allclose(weighted, repeated, atol=1e-12)
    else:
        assert np.isnan(weighted).all()


def test_picture_errors_are_1_minus_f1_of_the_sure_detections():
    two = boxes_apart(2)
    pictures = [
        (detections(two, [0.9, 0.3]), truth(two)),  # both found
        (detections(two, [0.9, 0.29]), truth(two)),  # one missed: F1 = 2 / 3
        (detections(two, [0.9, 0.9], labels=[0, 1]), truth(two)),  # one of the wrong class
        (detections([], []), truth([])),
        (detections(two[:1], [0.9]), truth([])),
        (detections([], []), truth(two)),
        (detections(two, [0.9, 0.8]), truth(two, ignored=[False, True])),
    ]

    metric, _ = scored(pictures, ["cell", "platelet"])

    assert metric.picture_errors() == pytest.approx([0, 1 / 3, 0.5, 0, 1, 1, 0])


def test_a_thousand_draws_of_72_busy_pictures_take_a_few_seconds():
    generator = torch.Generator().manual_seed(0)
    metric = DetectionMetric(["a", "b", "c"])
    for _ in range(72):
        corner = torch.rand(330, 2, generator=generator) * 400
        boxes = torch.cat([corner, corner + 60], dim=1)
        labels = torch.randint(0, 3, (330,), generator=generator)
        noisy = boxes[:300] + torch.randn(300, 4, generator=generator) * 3
        found = Detections(noisy, torch.rand(300, generator=generator), labels[:300])
        metric.update([found], [BoxTargets(boxes[270:], labels[270:])])

    start = time.process_time()
    scores = metric.scores()
    seconds = time.process_time() - start

    assert scores.main.low < scores.main.value < scores.main.high
    assert seconds < 15


def test_what_cannot_be_scored_is_refused():
    metric = DetectionMetric(["cell"])
    box = boxes_apart(1)

    with pytest.raises(NumericError, match="a box or score is not a finite number"):
        metric.update([detections(box, [float("nan")])], [truth(box)])
    with pytest.raises(DataError, match=r"objects of classes \[1\], but only 1 class names"):
        metric.update([detections(box, [0.5])], [truth(box, labels=[1])])
    with pytest.raises(UsageError, match=r"detections of classes \[2\], but only 1 class names"):
        metric.update([detections(box, [0.5], labels=[2])], [truth(box)])
    with pytest.raises(DataError, match="no object to find in 1 pictures"):
        scored([(detections(box, [0.5]), truth(box, ignored=[True]))])
