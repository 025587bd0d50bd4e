import pytest
import torch

from manako.errors import UnknownName, UsageError
from manako.metrics.protocol import Metric
from manako.structures import (
    AnchorRaw,
    BoxTargets,
    ClassRaw,
    ClassTarget,
    Frame,
    LabelsTarget,
    MaskTarget,
    MixedTarget,
)
from manako.tasks import TASKS, create_task

CLASSES = ("a", "b", "c")
FRAME = Frame((8, 8), (8, 8), (8, 8))


def raw_and_targets(task):
    generator = torch.Generator().manual_seed(0)
    if task == "classification":
        return torch.randn(2, 3, generator=generator), [ClassTarget(0), ClassTarget(2)]
    if task == "multilabel":
        return torch.randn(2, 3, generator=generator), [LabelsTarget((0, 2)), LabelsTarget(())]
    if task == "segmentation":
        mask = torch.zeros(8, 8, dtype=torch.uint8)
        return torch.randn(2, 3, 8, 8, generator=generator), [MaskTarget(mask), MaskTarget(mask)]
    anchors = torch.tensor([[0.0, 0.0, 4.0, 4.0], [4.0, 4.0, 8.0, 8.0]])
    target = BoxTargets(torch.tensor([[0.0, 0.0, 4.0, 5.0]]), torch.tensor([1]))
    logits = torch.randn(2, 2, 4, generator=generator)
    return AnchorRaw(logits, torch.zeros(2, 2, 4), anchors), [target, target]


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_binds_loss_decoder_and_metric_over_one_raw_output(name):
    task = create_task(name, CLASSES)
    raw, targets = raw_and_targets(name)

    losses = task.loss(raw, targets)
    predictions = task.decode(raw, [FRAME, FRAME])
    metric: Metric = task.metric()
    metric.update(predictions, targets)

    assert (task.name, task.classes) == (name, CLASSES)
    assert all(loss.ndim == 0 and loss > 0 for loss in losses.values())
    assert len(predictions) == len(metric.picture_errors()) == 2
    assert 0 <= metric.scores(intervals=False).main.value <= 1


def test_an_unknown_task_is_refused_with_the_near_name():
    with pytest.raises(UnknownName, match="no task 'segmentasion'; did you mean 'segmentation'"):
        create_task("segmentasion", CLASSES)


def test_an_unknown_option_is_refused_with_the_near_name():
    with pytest.raises(UnknownName, match="no option of classification 'temprature'; did you mean"):
        create_task("classification", CLASSES, temprature=2.0)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_the_temperature_divides_the_logits_and_is_kept(name):
    raw, _ = raw_and_targets(name)

    plain, warm = create_task(name, CLASSES), create_task(name, CLASSES, temperature=2.0)

    expected = plain.decode(raw / 2, [FRAME, FRAME])
    for one, other in zip(warm.decode(raw, [FRAME, FRAME]), expected, strict=True):
        torch.testing.assert_close(one.probabilities, other.probabilities)
    assert (plain.thresholds, warm.thresholds) == ({}, {"temperature": 2.0})
    again = create_task(name, CLASSES, **warm.thresholds)
    assert again == warm


@pytest.mark.parametrize("name", ["classification", "multilabel"])
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_cannot_divide_is_refused(name, temperature):
    raw, _ = raw_and_targets(name)

    with pytest.raises(UsageError, match="a temperature of"):
        create_task(name, CLASSES, temperature=temperature).decode(raw, [FRAME, FRAME])


def test_class_weights_reach_the_loss_and_the_weight_of_a_batch():
    raw, targets = raw_and_targets("classification")
    task = create_task("classification", CLASSES, class_weights=(1.0, 2.0, 4.0))

    (loss,) = task.loss(raw, targets).values()

    each = -raw.log_softmax(1)[[0, 1], [0, 2]]
    torch.testing.assert_close(loss, (each[0] + 4 * each[1]) / 5)
    assert task.weight(raw, targets) == 5
    assert task.weight(raw, [MixedTarget(1, 2, 0.75)]) == 2.5
    assert create_task("classification", CLASSES).weight(raw, targets) == 2


def test_class_weights_of_labels_count_where_a_class_is_shown():
    raw, targets = raw_and_targets("multilabel")
    task = create_task("multilabel", CLASSES, class_weights=(3.0, 1.0, 1.0))

    (loss,), (plain,) = (
        task.loss(raw, targets).values(),
        create_task("multilabel", CLASSES).loss(raw, targets).values(),
    )

    torch.testing.assert_close(loss, plain - 2 * raw[0, 0].sigmoid().log() / 6)
    assert task.weight(raw, targets) == 2


def test_label_smoothing_reaches_the_loss():
    raw, targets = raw_and_targets("classification")

    plain = create_task("classification", CLASSES).loss(raw, targets)
    smooth = create_task("classification", CLASSES, label_smoothing=0.3).loss(raw, targets)

    (plain_loss,), (smooth_loss,) = plain.values(), smooth.values()
    uniform = -raw.log_softmax(1).mean()
    torch.testing.assert_close(smooth_loss, 0.7 * plain_loss + 0.3 * uniform)


def test_the_mean_of_mirrored_maps_turns_the_second_back():
    task = create_task("segmentation", CLASSES)
    raw, _ = raw_and_targets("segmentation")

    torch.testing.assert_close(task.mean_of_mirrored(raw, raw.flip(-1)), raw)


def test_detections_are_not_averaged():
    raw, _ = raw_and_targets("detection")

    with pytest.raises(UsageError, match="mirrored pictures is not defined for detection"):
        create_task("detection", CLASSES).mean_of_mirrored(raw, raw)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_auxiliary_logits_are_learned_from_and_have_no_say_in_the_answer(name):
    task = create_task(name, CLASSES, temperature=2.0)
    logits, targets = raw_and_targets(name)
    raw = ClassRaw(logits, (logits.flip(0), 3 * logits))

    losses = task.loss(raw, targets)

    (own,) = task.loss(logits, targets).values()
    inner = [sum(task.loss(one, targets).values()) for one in raw.auxiliary]
    torch.testing.assert_close(list(losses.values()), [own, 0.3 * sum(inner)])
    assert task.weight(raw, targets) == task.weight(logits, targets)
    plain = task.decode(logits, [FRAME, FRAME])
    for one, other in zip(task.decode(raw, [FRAME, FRAME]), plain, strict=True):
        assert torch.equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_mirrored_answers_of_either_kind_are_averaged(name):
    task = create_task(name, CLASSES)
    logits, _ = raw_and_targets(name)
    other = logits.flip(1)

    found = task.mean_of_mirrored(ClassRaw(logits), ClassRaw(other))

    assert torch.equal(found, task.mean_of_mirrored(logits, other))
    torch.testing.assert_close(found, (logits + other) / 2)
