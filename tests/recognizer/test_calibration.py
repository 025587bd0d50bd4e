"""Temperature and threshold of a recognizer whose network hands its answer through."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from manako.errors import UsageError
from manako.recognizer import Recognizer, RecognizerSpec
from manako.recognizer.calibration import calibrate, unknown_threshold, with_thresholds
from manako.recognizer.evaluation import RawBatch, evaluate, raw_batches, scored
from manako.structures import (
    ClassPrediction,
    ClassRaw,
    ClassTarget,
    Frame,
    LabelsPrediction,
    LabelsTarget,
    Sample,
)

FRAME = Frame((4, 4), (4, 4), (4, 4))


def recognizer(task="classification", **changes):
    spec = RecognizerSpec(
        manako_version="0",
        task=task,
        model="lenet5",
        classes=("a", "b", "c"),
        size_hw=(4, 4),
        rule="stretch",
        colour_order="grey",
        mean=(0.5,),
        std=(0.25,),
        **changes,
    )
    return Recognizer(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), spec)


def batches_of(logits, targets, size=16):
    return [
        RawBatch(
            logits[first : first + size],
            tuple(targets[first : first + size]),
            (FRAME,) * len(targets[first : first + size]),
            tuple(f"{index}.png" for index in range(first, min(first + size, len(targets)))),
        )
        for first in range(0, len(targets), size)
    ]


def sure_case(pictures=200, warmth=4.0):
    """Logits that are surer than they should be by a factor of `warmth`."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(pictures, 3, generator=generator)
    labels = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=generator)[:, 0]
    return logits * warmth, [ClassTarget(label) for label in labels.tolist()]


def test_an_answer_that_is_too_sure_is_cooled_down_and_its_label_stays():
    logits, targets = sure_case()
    plain = recognizer()
    batches = batches_of(logits, targets)

    found = calibrate(plain, batches)

    assert 3 < found.temperature < 5
    assert found.temperature == round(found.temperature, 4)
    assert found.ece_after < found.ece_before / 2
    before = scored(plain, batches, intervals=False)
    after = scored(with_thresholds(plain, found.thresholds), batches, intervals=False)
    assert after.scores.main == before.scores.main
    assert after.scores.overall["ece"].value == found.ece_after
    assert before.scores.overall["ece"].value == found.ece_before
    labels = [[one.label for one in each.predictions] for each in (before, after)]
    assert labels[0] == labels[1]
    assert str(found).startswith(f"temperature {found.temperature:.2f}, expected calibration error")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_logits_in_a_record_are_calibrated_as_they_are_without(task):
    logits, targets = sure_case()
    if task == "multilabel":
        targets = [LabelsTarget((target.label,)) for target in targets]
    batches = batches_of(logits, targets)
    wrapped = [replace(batch, raw=ClassRaw(batch.raw)) for batch in batches]

    found, expected = (calibrate(recognizer(task), each) for each in (wrapped, batches))

    assert found == expected
    assert found.temperature > 1


def test_at_most_5_percent_of_the_right_answers_fall_below_the_threshold():
    logits, targets = sure_case()
    plain = recognizer()
    batches = batches_of(logits, targets)

    known = with_thresholds(plain, calibrate(plain, batches).thresholds)

    predictions = scored(known, batches, intervals=False).predictions
    pairs = zip(predictions, targets, strict=True)
    right = [one for one, target in pairs if one.label == target.label]
    lost = sum(known.is_unknown(one) for one in right)
    assert lost == len(right) * 5 // 100
    assert sum(known.is_unknown(one) for one in predictions) > lost


def test_calibrating_again_gives_the_same():
    batches = batches_of(*sure_case())
    plain = recognizer()
    first = calibrate(plain, batches)

    assert calibrate(with_thresholds(plain, first.thresholds), batches) == first


def test_few_pictures_are_not_calibrated():
    logits, targets = sure_case(29)

    found = calibrate(recognizer(), batches_of(logits, targets))

    assert found.thresholds == {}
    assert str(found) == (
        "no temperature was fitted: 29 validation pictures are too few, 30 is the least"
    )


def test_where_all_are_right_there_is_a_threshold_but_no_temperature():
    logits, _ = sure_case(40)
    targets = [ClassTarget(label) for label in logits.argmax(dim=1).tolist()]

    found = calibrate(recognizer(), batches_of(logits, targets))

    assert set(found.thresholds) == {"unknown_below"}
    assert "no temperature was fitted: all validation pictures are right" in str(found)
    assert "unknown below" in str(found)


def test_labels_are_calibrated_each_by_itself_and_nothing_is_unknown():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(100, 3, generator=generator)
    shown = torch.rand(100, 3, generator=generator) < torch.sigmoid(logits)
    targets = [LabelsTarget(tuple(row.nonzero().flatten().tolist())) for row in shown]
    plain = recognizer("multilabel")

    found = calibrate(plain, batches_of(logits * 3, targets))

    assert 2 < found.temperature < 4
    assert found.ece_after < found.ece_before
    assert found.thresholds == {"temperature": found.temperature}


def test_the_threshold_is_the_score_of_a_right_answer():
    predictions = [
        ClassPrediction(torch.tensor([0.5 + 0.01 * step, 0.5 - 0.01 * step])) for step in range(40)
    ]

    all_right = unknown_threshold(predictions, [ClassTarget(0)] * 40)
    few_right = unknown_threshold(predictions[:10], [ClassTarget(0)] * 10)

    assert all_right == predictions[2].score
    assert few_right == predictions[0].score
    assert unknown_threshold(predictions, [ClassTarget(1)] * 40) is None


class Ramps:
    """Forty pictures, of which a fifth is of a class that their pixels do not tell."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        image = torch.full((1, 4, 4), 6 * index, dtype=torch.uint8)
        return Sample(image, ClassTarget(index % 3 if index % 5 else 2), f"{index}.png")


def test_coverage_and_accuracy_among_the_answered_are_scored_where_asked_for():
    generator = torch.Generator().manual_seed(1)
    plain = recognizer(thresholds={"unknown_below": 0.5})
    with torch.no_grad():
        plain.model[1].weight.copy_(torch.randn(3, 16, generator=generator))

    evaluation = evaluate(plain, Ramps())
    both = scored(plain, raw_batches(plain, Ramps()), unknown=True)

    more = dict(both.scores.overall)
    answered = [one for one in both.predictions if not plain.is_unknown(one)]
    assert more.pop("coverage").value == len(answered) / 40
    assert 0 < len(answered) < 40
    more.pop("accuracy_answered")
    assert more == evaluation.scores.overall


def test_a_recognizer_without_a_threshold_knows_everything_and_refuses_to_be_asked():
    sure = ClassPrediction(torch.tensor([0.4, 0.3, 0.3]))
    shown = LabelsPrediction(torch.tensor([0.1, 0.1, 0.1]))

    assert not recognizer().is_unknown(sure)
    assert recognizer(thresholds={"unknown_below": 0.41}).is_unknown(sure)
    assert not recognizer(thresholds={"unknown_below": 0.4}).is_unknown(
        ClassPrediction(torch.tensor([0.5, 0.3, 0.2]))
    )
    assert not recognizer("multilabel").is_unknown(shown)
    assert recognizer(thresholds={"unknown_below": 0.41}).expect_unknown_below() == 0.41
    with pytest.raises(UsageError, match=r"has no threshold for unknown pictures[\s\S]*train anew"):
        recognizer().expect_unknown_below()
    with pytest.raises(UsageError, match=r"for classification, not for multilabel"):
        recognizer("multilabel").expect_unknown_below()
