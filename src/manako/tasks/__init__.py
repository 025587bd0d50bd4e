"""One file for each kind of answer: binds loss, decoder and metric over one raw output."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from manako.errors import UnknownName
from manako.tasks.classification import Classification
from manako.tasks.detection import Detection
from manako.tasks.multilabel import Multilabel
from manako.tasks.protocol import Task
from manako.tasks.segmentation import Segmentation

TASKS: dict[str, type[Classification | Multilabel | Detection | Segmentation]] = {
    "classification": Classification,
    "multilabel": Multilabel,
    "detection": Detection,
    "segmentation": Segmentation,
}

__all__ = [
    "TASKS",
    "Classification",
    "Detection",
    "Multilabel",
    "Segmentation",
    "Task",
    "create_task",
]


def create_task(name: str, classes: tuple[str, ...], **options: Any) -> Task:
    """The task called `name` over `classes`; `options` are the other fields of its record.

    >>> create_task("classification", ("cat", "dog"), temperature=2.0).thresholds
    {'temperature': 2.0}
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    known = {field.name for field in fields(TASKS[name])} - {"name", "classes"}
    for option in options:
        if option not in known:
            raise UnknownName(f"option of {name}", option, known)
    return TASKS[name](classes, **options)
