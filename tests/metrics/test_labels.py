import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    precision_recall_fscore_support,
)

from manako.errors import DataError, NumericError, ShapeError
from manako.metrics.labels import LabelsMetric
from manako.structures import LabelsPrediction, LabelsTarget


def scored(probabilities, truth, intervals=False):
    metric = LabelsMetric([f"class {index}" for index in range(probabilities.shape[1])])
    targets = [LabelsTarget(tuple(row.nonzero().flatten().tolist())) for row in truth]
    metric.update([LabelsPrediction(row) for row in probabilities], targets)
    return metric, metric.scores(intervals)


def random_case(classes, pictures, seed, steps=None):
    """Probabilities, rounded to `steps` so that there are ties, and truths."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(pictures, classes, generator=generator) < 0.3
    truth[0] = True
    logits = torch.randn(pictures, classes, generator=generator) + 2 * truth - 1
    probabilities = torch.sigmoid(logits)
    return probabilities if steps is None else (probabilities * steps).round() / steps, truth


@pytest.mark.parametrize(
    ("classes", "pictures", "steps"), [(1, 20, None), (5, 80, None), (7, 90, 9)]
)
def test_scores_equal_scikit_learn(classes, pictures, steps):
    probabilities, truth = random_case(classes, pictures, classes, steps)

    _, scores = scored(probabilities, truth)

    said, shown = (probabilities >= 0.5).numpy(), truth.numpy()
    each = precision_recall_fscore_support(shown, said, zero_division=0)
    if classes == 1:
        each = precision_recall_fscore_support(shown[:, 0], said[:, 0], zero_division=0, labels=[1])
    ap = [average_precision_score(shown[:, k], probabilities[:, k]) for k in range(classes)]
    expected = {
        "mAP": np.mean(ap),
        "macro_precision": each[0].mean(),
        "macro_recall": each[1].mean(),
        "macro_f1": each[2].mean(),
        "micro_f1": f1_score(shown.ravel(), said.ravel()),
        "exact_match": accuracy_score(shown, said),
        "hamming_accuracy": 1 - hamming_loss(shown, said),
    }
    assert scores.headline == "mAP"
    found = {name: score.value for name, score in scores.overall.items() if name != "ece"}
    assert found == pytest.approx(expected, abs=1e-12)
    for name, column in zip(["AP", "precision", "recall", "f1"], [ap, *each], strict=False):
        of_class = [own[name].value for own in scores.per_class.values()]
        assert of_class == pytest.approx(list(column), abs=1e-12)


def test_a_class_that_no_picture_shows_is_left_out_and_one_never_said_has_precision_0():
    probabilities = torch.tensor([[0.9, 0.1, 0.8], [0.8, 0.4, 0.1], [0.1, 0.2, 0.1]])
    truth = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0]]).bool()

    _, scores = scored(probabilities, truth, intervals=True)

    assert list(scores.per_class) == ["class 0", "class 1"]
    assert scores.per_class["class 1"]["precision"].value == 0
    assert scores.main.value == 1
    assert scores.overall["macro_recall"].value == 0.5
    assert scores.overall["exact_match"].value == 1 / 3
    assert scores.confusion is None
    assert scores.pictures == 3


def test_calibration_is_of_all_labels_and_its_bins_count_them():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1]])

    _, scores = scored(probabilities, torch.tensor([[1, 0], [0, 0]]).bool())

    assert scores.overall["ece"].value == pytest.approx((0.4 + 0.1) / 2, abs=1e-6)
    assert [one.pictures for one in scores.reliability] == [2, 2]
    assert [one.accuracy for one in scores.reliability] == [0, 0.5]


def test_picture_errors_are_those_of_the_surest_wrong_label():
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.75], [0.25, 0.4]])
    truth = torch.tensor([[1, 0], [0, 0], [1, 0]]).bool()

    metric, _ = scored(probabilities, truth)

    assert metric.picture_errors() == pytest.approx([0, 0.75, 0.75])


def test_many_pictures_are_scored_in_little_time():
    _, scores = scored(*random_case(20, 2000, 0), intervals=True)

    assert scores.main.low < scores.main.value < scores.main.high


def test_what_does_not_fit_is_refused():
    metric = LabelsMetric(["a", "b"])
    fair = LabelsPrediction(torch.tensor([0.5, 0.5]))

    with pytest.raises(ShapeError, match="3 probabilities for 2 classes"):
        metric.update([LabelsPrediction(torch.ones(3) / 3)], [LabelsTarget((0,))])
    with pytest.raises(DataError, match="a picture of class 2, but only 2 class names"):
        metric.update([fair], [LabelsTarget((0, 2))])
    with pytest.raises(NumericError, match="probability is not a finite number"):
        metric.update([LabelsPrediction(torch.tensor([0.5, float("nan")]))], [LabelsTarget(())])
    assert metric.picture_errors() == []
    metric.update([fair], [LabelsTarget(())])
    with pytest.raises(DataError, match="none of 1 pictures has a label"):
        metric.scores()
