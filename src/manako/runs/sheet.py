"""What an augmentation makes of pictures at the size at which training would see them."""

from __future__ import annotations

from pathlib import Path

from manako.data.check import DataReport
from manako.data.dataset import Dataset
from manako.data.exclusion import without_excluded
from manako.data.transforms import augmentation
from manako.reports.contact_sheet import write_contact_sheet
from manako.runs.choices import allowed_sizes
from manako.runs.defaults import default_model
from manako.runs.look import look_at

SIDE = 128
"""Height and width where there are no training pictures to choose by."""


def expect_augmentation(augment: str, task: str) -> None:
    """Refuse an unknown augmentation, or one that is not for `task`. Errors: UsageError."""
    augmentation(augment, task, (SIDE, SIDE))


def write_sheet(path: Path, dataset: Dataset, report: DataReport, augment: str, seed: int) -> None:
    """Write the contact sheet of `augment` to `path`, without pictures that cannot be used.

    Errors: those of `write_contact_sheet`.
    """
    whole = without_excluded(dataset, [fault.path for fault in report.faults], needed=())
    write_contact_sheet(path, whole, augment=augment, size_hw=usual_size(whole), seed=seed)


def usual_size(dataset: Dataset) -> tuple[int, int]:
    """The input size (height, width) that `train` chooses by itself for these pictures."""
    if not dataset.splits.get("train"):
        return SIDE, SIDE
    look = look_at(dataset)
    kind = "classification" if dataset.task == "multilabel" else dataset.task
    model, _ = default_model(kind, look.size_hw)
    allowed = allowed_sizes(model, 1 if look.grey else 3, {})
    return allowed.default(kind, look.size_hw)
