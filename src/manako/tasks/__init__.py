"""One file for each kind of answer: binds loss, decoder and metric over one raw output."""

from __future__ import annotations

from collections.abc import Callable

from manako.errors import UnknownName
from manako.tasks.classification import Classification
from manako.tasks.detection import Detection
from manako.tasks.protocol import Task
from manako.tasks.segmentation import Segmentation

TASKS: dict[str, Callable[..., Task]] = {
    "classification": Classification,
    "detection": Detection,
    "segmentation": Segmentation,
}

__all__ = ["TASKS", "Classification", "Detection", "Segmentation", "Task", "create_task"]


def create_task(name: str, classes: tuple[str, ...], **options: float) -> Task:
    """The task called `name` over `classes`.

    >>> create_task("classification", ("cat", "dog")).classes
    ('cat', 'dog')
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return TASKS[name](classes, **options)
