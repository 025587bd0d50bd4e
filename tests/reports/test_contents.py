from __future__ import annotations

import dataclasses

import pytest

from manako.errors import ShapeError, UnknownName
from manako.structures import Score, Scores


def test_an_unknown_task_is_refused(contents_of):
    with pytest.raises(UnknownName, match="no task 'detektion'; did you mean 'detection'"):
        dataclasses.replace(contents_of(), task="detektion")


def test_a_confusion_matrix_of_other_classes_is_refused(contents_of):
    scores = Scores("a", {"a": Score(1.0)}, {}, ((1, 0), (0, 1)))

    with pytest.raises(ShapeError, match="the confusion matrix of 'val' has 2 rows"):
        contents_of(scores={"val": scores})


@pytest.mark.parametrize(
    ("splits", "main"),
    [(["val", "test"], "test"), (["other", "val"], "val"), (["other"], "other"), ([], None)],
)
def test_the_main_split_is_test_then_val_then_the_first(splits, main, contents_of):
    scores = {split: Scores("a", {"a": Score(1.0)}) for split in splits}

    assert contents_of(scores=scores).main_split == main
