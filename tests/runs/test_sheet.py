"""The contact sheet at the size of training."""

from __future__ import annotations

import pytest

import shapes
from manako.data.check import check_dataset
from manako.data.formats import read_dataset
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.errors import UnknownName, UsageError
from manako.runs import sheet
from manako.runs.sheet import expect_augmentation, usual_size, write_sheet
from manako.runs.start import resolve_settings
from planted import faulty_set


def divided(root):
    return with_validation(read_dataset(root), Selection())


@pytest.mark.parametrize("task", sorted(shapes.MAKERS))
def test_the_size_is_the_one_that_training_chooses(tmp_path, task):
    root = shapes.MAKERS[task](tmp_path / "set")

    assert usual_size(divided(root)) == resolve_settings(root).settings.size_hw


def test_the_sheet_shows_pictures_of_that_size_and_none_that_are_damaged(tmp_path, monkeypatch):
    dataset = divided(faulty_set(tmp_path / "set"))
    report = check_dataset(dataset, workers=0)
    asked = {}
    monkeypatch.setattr(
        sheet, "write_contact_sheet", lambda path, shown, **rest: asked.update(rest, shown=shown)
    )

    write_sheet(tmp_path / "a.png", dataset, report, "photo", 3)

    assert (asked["size_hw"], asked["augment"], asked["seed"]) == ((128, 128), "photo", 3)
    shown = {item.image for item in asked["shown"].splits["train"]}
    assert len(report.faults) == 3
    assert not shown & {fault.path for fault in report.faults}


def test_an_augmentation_that_the_task_does_not_have_is_refused():
    with pytest.raises(UnknownName, match="no augmentation 'foto'"):
        expect_augmentation("foto", "classification")
    with pytest.raises(UsageError):
        expect_augmentation("characters", "detection")
