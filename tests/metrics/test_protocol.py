import pytest
import torch

from manako.errors import DataError, ShapeError, UsageError
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

NO_LABELS = torch.zeros(0, dtype=torch.int64)
PIXEL = torch.zeros(1, 1, dtype=torch.uint8)
CASES = {
    "classification": (
        ClassificationMetric,
        ClassPrediction(torch.tensor([0.6, 0.4])),
        ClassTarget(0),
    ),
    "multilabel": (LabelsMetric, LabelsPrediction(torch.tensor([0.6, 0.4])), LabelsTarget((0,))),
    "detection": (
        DetectionMetric,
        Detections(torch.zeros(0, 4), torch.zeros(0), NO_LABELS),
        BoxTargets(torch.zeros(0, 4), NO_LABELS),
    ),
    "segmentation": (SegmentationMetric, LabelMap(PIXEL), MaskTarget(PIXEL)),
}
every_metric = pytest.mark.parametrize("task", list(CASES))


@every_metric
def test_a_picture_without_truth_is_refused(task):
    kind, prediction, target = CASES[task]

    with pytest.raises(DataError, match="picture 2 of 2 has no truth"):
        kind(["a", "b"]).update([prediction, prediction], [target, None])


@every_metric
def test_predictions_and_targets_of_another_task_are_refused(task):
    kind, prediction, target = CASES[task]
    _, other_prediction, other_target = CASES[
        "detection" if task == "classification" else "classification"
    ]

    with pytest.raises(UsageError, match="a prediction is a"):
        kind(["a", "b"]).update([other_prediction], [target])
    with pytest.raises(UsageError, match="picture 1 of 1 has a"):
        kind(["a", "b"]).update([prediction], [other_target])


@every_metric
def test_a_target_too_few_is_refused(task):
    kind, prediction, _ = CASES[task]

    with pytest.raises(ShapeError, match="1 pictures came with 0 targets"):
        kind(["a", "b"]).update([prediction], [])


@every_metric
def test_without_pictures_there_is_nothing_to_score(task):
    metric = CASES[task][0](["a", "b"])
    metric.update([], [])

    with pytest.raises(DataError, match="no pictures to score"):
        metric.scores()
    assert metric.picture_errors() == []


@every_metric
def test_class_names_must_differ(task):
    with pytest.raises(UsageError, match=r"class names \['a'\] come more than once"):
        CASES[task][0](["a", "b", "a"])
    with pytest.raises(UsageError, match="no class names"):
        CASES[task][0]([])
