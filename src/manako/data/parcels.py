"""Truths on their way between processes.

A tensor that is sent to another process travels in shared memory and takes an open file, of which
a data set with boxes would need hundreds of thousands. An array travels by value.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from manako.structures import BoxTargets, MaskTarget

Other = TypeVar("Other")

BoxArrays = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_] | None]
Arrays = BoxArrays | NDArray[np.uint8]


def to_arrays(truth: BoxTargets | MaskTarget | Other) -> Arrays | Other:
    """Boxes as (boxes_xyxy, labels, ignored), a mask as its pixels; anything else as it is."""
    if isinstance(truth, BoxTargets):
        ignored = None if truth.ignored is None else truth.ignored.numpy()
        return truth.boxes_xyxy.numpy(), truth.labels.numpy(), ignored
    return truth.mask.numpy() if isinstance(truth, MaskTarget) else truth


def to_tensors(truth: Arrays | Other) -> BoxTargets | MaskTarget | Other:
    """What `to_arrays` was given."""
    if isinstance(truth, tuple):
        boxes_xyxy, labels, ignored = truth
        return BoxTargets(
            torch.from_numpy(boxes_xyxy),
            torch.from_numpy(labels),
            None if ignored is None else torch.from_numpy(ignored),
        )
    return MaskTarget(torch.from_numpy(truth)) if isinstance(truth, np.ndarray) else truth
