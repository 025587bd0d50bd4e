import numpy as np
import pytest
import torch

from manako.metrics import bootstrap
from manako.metrics.bootstrap import draws, estimate, mean_known, ratio
from manako.metrics.classification import ClassificationMetric
from manako.metrics.detection import DetectionMetric
from manako.metrics.labels import LabelsMetric
from manako.metrics.segmentation import SegmentationMetric
from manako.structures import (
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
)


def share(counts):
    return ratio(counts[:, :1], counts.sum(axis=1, keepdims=True))


def test_each_draw_has_as_many_pictures_as_there_are_and_groups_come_at_their_rate():
    sizes = np.array([70, 20, 10])

    counts = np.concatenate(list(draws(sizes, 4000, seed=1)))

    assert counts.shape == (4000, 3)
    assert (counts.sum(axis=1) == 100).all()
    np.testing.assert_allclose(counts.mean(axis=0), sizes, atol=0.5)
    np.testing.assert_allclose(counts.var(axis=0), [21, 16, 9], rtol=0.1)


def test_blocks_change_nothing_but_the_memory(monkeypatch):
    sizes = np.ones(7, dtype=np.int64)
    whole = np.concatenate(list(draws(sizes, 50, seed=3)))

    monkeypatch.setattr(bootstrap, "BLOCK_ELEMENTS", 21)
    blocks = list(draws(sizes, 50, seed=3))

    assert len(blocks) == 17
    assert np.array_equal(whole, np.concatenate(blocks))


def test_the_interval_agrees_with_the_normal_approximation():
    (score,) = estimate(share, np.array([600, 400]), resamples=4000)

    half = 1.96 * np.sqrt(0.6 * 0.4 / 1000)
    assert score.value == 0.6
    assert score.low == pytest.approx(0.6 - half, abs=0.004)
    assert score.high == pytest.approx(0.6 + half, abs=0.004)


def test_about_95_of_100_intervals_cover_the_truth():
    generator = np.random.Generator(np.random.Philox(5))
    covered = 0
    for right in generator.binomial(200, 0.7, size=300):
        (score,) = estimate(share, np.array([right, 200 - right]), resamples=400)
        covered += score.low <= 0.7 <= score.high

    assert 0.91 <= covered / 300 <= 0.98


def test_the_same_input_gives_the_same_interval_and_another_seed_another():
    sizes = np.array([50, 30, 20])

    first, again = estimate(share, sizes), estimate(share, sizes)

    assert first == again
    assert first != estimate(share, sizes, seed=1)


def test_the_interval_holds_the_value_even_of_a_biased_statistic():
    def distinct_and_missing(counts):  # a draw has fewer distinct pictures than there are
        distinct = (counts > 0).sum(axis=1)
        return np.stack([distinct, 50 - distinct], axis=1).astype(float)

    distinct, missing = estimate(distinct_and_missing, np.ones(50, dtype=np.int64))

    assert distinct.low < distinct.high == distinct.value == 50
    assert 0 == missing.value == missing.low < missing.high


def test_an_undefined_score_is_none_and_undefined_draws_are_left_out():
    def first_two(counts):
        return np.stack([ratio(counts[:, 0] * 0.0, counts[:, 0]), counts[:, 1] * np.nan], axis=1)

    defined, undefined = estimate(first_two, np.array([1, 2]))

    assert undefined is None
    assert (defined.value, defined.low, defined.high) == (0, 0, 0)
    assert estimate(first_two, np.array([1, 2]), intervals=False)[1] is None


def test_a_score_undefined_in_every_draw_has_no_interval():
    def only_at_hand(counts):
        once = (counts == 1).all(axis=1, keepdims=True)
        return np.where(once, 0.5, np.nan)

    (score,) = estimate(only_at_hand, np.ones(40, dtype=np.int64))

    assert (score.value, score.low, score.high) == (0.5, None, None)


def test_without_intervals_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(bootstrap, "draws", None)

    (score,) = estimate(share, np.array([1, 3]), intervals=False)

    assert (score.value, score.low, score.high) == (0.25, None, None)


def test_means_over_nothing_are_undefined_without_a_warning():
    means = mean_known(np.array([[1.0, np.nan], [np.nan, np.nan]]))

    assert means[0, 0] == 1
    assert np.isnan(means[1, 0])


# Four pictures of each task, no two alike.


def class_pictures():
    rows = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2]]
    predictions = [ClassPrediction(torch.tensor(row)) for row in rows]
    return predictions, [ClassTarget(label) for label in (0, 0, 1, 2)]


def label_pictures():
    rows = [[0.8, 0.1, 0.7], [0.3, 0.6, 0.2], [0.2, 0.55, 0.9], [0.65, 0.4, 0.3]]
    truths = [(0,), (0, 1), (2,), (0, 2)]
    return [LabelsPrediction(torch.tensor(row)) for row in rows], list(map(LabelsTarget, truths))


def detection_pictures():
    generator = torch.Generator().manual_seed(0)
    predictions, targets = [], []
    for _ in range(4):
        corner = torch.rand(6, 2, generator=generator) * 100
        boxes = torch.cat([corner, corner + 20], dim=1)
        labels = torch.randint(0, 3, (6,), generator=generator)
        ignored = torch.tensor([False] * 5 + [True])
        noise = torch.randn(6, 4, generator=generator) * 2
        scores = torch.rand(6, generator=generator)
        targets.append(BoxTargets(boxes, labels, ignored))
        predictions.append(Detections(boxes + noise, scores, (labels + (scores < 0.2)) % 3))
    return predictions, targets


def mask_pictures():
    generator = torch.Generator().manual_seed(0)

    def maps():
        return torch.randint(0, 3, (4, 5, 6), generator=generator).to(torch.uint8)

    return [LabelMap(one) for one in maps()], [MaskTarget(one) for one in maps()]


CASES = {
    "classification": (ClassificationMetric, class_pictures),
    "multilabel": (LabelsMetric, label_pictures),
    "detection": (DetectionMetric, detection_pictures),
    "segmentation": (SegmentationMetric, mask_pictures),
}
every_metric = pytest.mark.parametrize("task", list(CASES))


def values(scores):
    flat = {("", name): score.value for name, score in scores.overall.items()}
    for label, own in scores.per_class.items():
        flat |= {(label, name): score.value for name, score in own.items()}
    return flat


@every_metric
@pytest.mark.parametrize("times", [(1, 1, 1, 1), (0, 2, 1, 1), (3, 0, 0, 1), (2, 0, 2, 0)])
def test_a_draw_scores_what_its_pictures_score_repeated(task, times, monkeypatch):
    kind, pictures = CASES[task]
    predictions, targets = pictures()
    whole, repeated = kind(["a", "b", "c"]), kind(["a", "b", "c"])
    whole.update(predictions, targets)
    for prediction, target, count in zip(predictions, targets, times, strict=True):
        repeated.update([prediction] * count, [target] * count)

    monkeypatch.setattr(bootstrap, "draws", lambda *_: iter([np.array([times])]))
    drawn = whole.scores()

    expected = values(repeated.scores(intervals=False))
    for (label, name), value in values(drawn).items():
        score = drawn.per_class[label][name] if label else drawn.overall[name]
        if (label, name) in expected:
            other = score.high if score.low == value else score.low
            assert other == pytest.approx(expected[label, name], abs=1e-12), (label, name)
        else:
            assert score.low is None


@every_metric
def test_scores_of_a_metric_lie_in_their_intervals_and_are_the_same_each_time(task):
    kind, pictures = CASES[task]
    metric = kind(["a", "b", "c"])
    metric.update(*pictures())

    scores = metric.scores()

    assert scores == metric.scores()
    assert values(scores) == values(metric.scores(intervals=False))
    for score in scores.overall.values():
        assert 0 <= score.low <= score.value <= score.high <= 1
    assert any(score.low < score.high for score in scores.overall.values())
    assert scores.pictures == 4


@every_metric
def test_the_order_of_pictures_and_the_cut_into_updates_change_nothing(task):
    kind, pictures = CASES[task]
    predictions, targets = pictures()
    forward, backward = kind(["a", "b", "c"]), kind(["a", "b", "c"])

    forward.update(predictions, targets)
    for prediction, target in zip(predictions[::-1], targets[::-1], strict=True):
        backward.update([prediction], [target])

    expected = values(forward.scores(intervals=False))
    assert values(backward.scores(intervals=False)) == pytest.approx(expected, abs=1e-12)
    assert backward.picture_errors() == forward.picture_errors()[::-1]
