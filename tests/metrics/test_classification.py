import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    top_k_accuracy_score,
)

from manako.errors import DataError, NumericError, ShapeError
from manako.metrics.classification import ClassificationMetric
from manako.structures import ClassPrediction, ClassTarget


def scored(probabilities, labels, intervals=False):
    classes = [f"class {index}" for index in range(probabilities.shape[1])]
    metric = ClassificationMetric(classes)
    metric.update([ClassPrediction(row) for row in probabilities], [ClassTarget(t) for t in labels])
    return metric, metric.scores(intervals)


def random_case(classes, pictures, seed, present=None):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(pictures, classes, generator=generator)
    labels = torch.randint(0, present or classes, (pictures,), generator=generator)
    logits[torch.arange(pictures), labels] += 1.5
    return torch.softmax(logits, dim=1), labels.tolist()


@pytest.mark.parametrize(
    ("classes", "pictures", "present"), [(2, 30, 2), (4, 60, 3), (10, 200, 10), (20, 25, 9)]
)
def test_scores_equal_scikit_learn(classes, pictures, present):
    probabilities, labels = random_case(classes, pictures, classes, present)

    _, scores = scored(probabilities, labels)

    predicted = probabilities.argmax(dim=1).tolist()
    known = sorted(set(labels))
    each = precision_recall_fscore_support(labels, predicted, labels=known, zero_division=0)
    macro = precision_recall_fscore_support(
        labels, predicted, labels=known, average="macro", zero_division=0
    )
    assert scores.headline == "accuracy"
    assert scores.main.value == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    weighted = precision_recall_fscore_support(
        labels, predicted, labels=known, average="weighted", zero_division=0
    )
    for position, name in enumerate(["precision", "recall", "f1"]):
        found = scores.overall[f"weighted_{name}"].value
        assert found == pytest.approx(weighted[position], abs=1e-12)
        assert scores.overall[f"macro_{name}"].value == pytest.approx(macro[position], abs=1e-12)
        found = [own[name].value for own in scores.per_class.values()]
        assert found == pytest.approx(each[position].tolist(), abs=1e-12)
    assert list(scores.per_class) == [f"class {index}" for index in known]
    confusion = confusion_matrix(labels, predicted, labels=range(classes))
    assert np.array_equal(scores.confusion, confusion)


@pytest.mark.parametrize("steps", [None, 7])
@pytest.mark.parametrize(("classes", "pictures"), [(3, 40), (10, 300)])
def test_the_roc_area_equals_scikit_learn_with_ties_and_without(classes, pictures, steps):
    probabilities, labels = random_case(classes, pictures, 5)
    if steps is not None:  # few different probabilities, which still sum to one
        counts = (probabilities * steps).round() + 1
        probabilities = counts.double() / counts.sum(dim=1, keepdim=True)

    _, scores = scored(probabilities, labels)

    expected = roc_auc_score(labels, probabilities.double(), multi_class="ovr", average="macro")
    if steps is None:  # a row of float32 sums to 1 only nearly, and scikit-learn asks for more
        expected = np.mean(
            [
                roc_auc_score(np.array(labels) == label, probabilities[:, label])
                for label in range(classes)
            ]
        )
    assert scores.overall["roc_auc"].value == pytest.approx(expected, abs=1e-12)


def test_the_roc_area_leaves_out_classes_without_pictures_and_is_missing_for_a_single_one():
    probabilities, labels = random_case(4, 50, 2, present=2)

    _, scores = scored(probabilities, labels)
    _, of_one = scored(probabilities, [0] * 50)

    each = [roc_auc_score(np.array(labels) == one, probabilities[:, one]) for one in (0, 1)]
    assert scores.overall["roc_auc"].value == pytest.approx(np.mean(each), abs=1e-12)
    assert "roc_auc" not in of_one.overall


def test_the_calibration_error_is_that_of_the_top_probability():
    probabilities, labels = random_case(4, 200, 3)

    _, scores = scored(probabilities, labels, intervals=True)

    confidence, predicted = probabilities.max(dim=1)
    right = (predicted == torch.tensor(labels)).numpy()
    bins = np.ceil(confidence.numpy().astype(np.float64) * 15).astype(int)
    gaps = [
        (right[bins == one] - confidence.numpy()[bins == one].astype(np.float64)).sum()
        for one in range(1, 16)
    ]
    error = scores.overall["ece"]
    assert error.value == pytest.approx(np.abs(gaps).sum() / 200, abs=1e-9)
    assert error.low <= error.value <= error.high
    assert sum(one.pictures for one in scores.reliability) == 200


def test_top5_accuracy_equals_scikit_learn():
    probabilities, labels = random_case(12, 80, 3)

    _, scores = scored(probabilities, labels)

    expected = top_k_accuracy_score(labels, probabilities.numpy(), k=5, labels=range(12))
    assert scores.main.value < scores.overall["top5_accuracy"].value < 1
    assert scores.overall["top5_accuracy"].value == pytest.approx(expected, abs=1e-12)


def test_up_to_five_classes_have_no_top5_accuracy():
    _, scores = scored(*random_case(5, 10, 0))

    assert "top5_accuracy" not in scores.overall


def test_of_equal_probabilities_the_lower_classes_rank_first():
    probabilities = torch.full((6, 6), 1 / 6)

    _, scores = scored(probabilities, [0, 1, 2, 3, 4, 5])

    assert scores.main.value == pytest.approx(1 / 6)
    assert scores.overall["top5_accuracy"].value == pytest.approx(5 / 6)


def test_a_class_without_pictures_is_left_out_and_one_never_predicted_has_precision_0():
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8]])

    _, scores = scored(probabilities, [0, 1, 0], intervals=True)

    assert list(scores.per_class) == ["class 0", "class 1"]
    assert scores.per_class["class 1"]["precision"].value == 0
    assert scores.per_class["class 1"]["f1"].value == 0
    assert scores.overall["macro_recall"].value == pytest.approx((0.5 + 0) / 2)
    assert all(np.isfinite(one.low) for own in scores.per_class.values() for one in own.values())


def test_picture_errors_are_0_where_right_and_else_what_the_truth_lacks_of_certainty():
    probabilities = torch.tensor([[0.6, 0.4], [0.75, 0.25], [0.0, 1.0]])

    metric, _ = scored(probabilities, [0, 1, 0])

    assert metric.picture_errors() == pytest.approx([0, 0.75, 1])


def test_many_classes_and_pictures_are_scored_in_little_time():
    probabilities, labels = random_case(200, 5000, 1)

    _, scores = scored(probabilities, labels, intervals=True)

    assert scores.main.low < scores.main.value < scores.main.high
    assert len(scores.per_class) == 200


def test_what_does_not_fit_is_refused():
    metric = ClassificationMetric(["a", "b"])
    fair = ClassPrediction(torch.tensor([0.5, 0.5]))

    with pytest.raises(ShapeError, match="3 probabilities for 2 classes"):
        metric.update([ClassPrediction(torch.ones(3) / 3)], [ClassTarget(0)])
    with pytest.raises(DataError, match="a picture of class 2, but only 2 class names"):
        metric.update([fair], [ClassTarget(2)])
    with pytest.raises(NumericError, match="probability is not a finite number"):
        metric.update([ClassPrediction(torch.tensor([0.5, float("nan")]))], [ClassTarget(0)])
    assert metric.picture_errors() == []
