"""Scores of a segmenter, by the definition of the FCN paper.

Long et al. 2015 (https://arxiv.org/abs/1411.4038), section 5. All pixels of all pictures go into
one confusion matrix (it is not a mean over pictures): IoU of a class = diagonal / (row + column -
diagonal). A class that is neither in the truth nor predicted has no IoU and is left out of the
mean; one that is only predicted has 0. Pixels are left out where the *truth* is `IGNORE`, whatever
was predicted there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manako.errors import DataError, ShapeError, UsageError
from manako.metrics.bootstrap import Counts, Values, estimate, mean_known, ratio
from manako.metrics.protocol import expect_classes, expect_pairs
from manako.structures import IGNORE, LabelMap, MaskTarget, Prediction, Scores, Target


class SegmentationMetric:
    """Mean IoU (the headline), pixel accuracy, mean class accuracy; IoU and accuracy per class.

    >>> import torch
    >>> truth = torch.tensor([[0, 1], [1, 255]], dtype=torch.uint8)
    >>> said = torch.tensor([[0, 1], [0, 1]], dtype=torch.uint8)
    >>> metric = SegmentationMetric(["road", "tree"])
    >>> metric.update([LabelMap(said)], [MaskTarget(truth)])
    >>> metric.scores(intervals=False).main.value
    0.5
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = expect_classes(classes)
        self._confusions: list[Counts] = []

    def update(self, predictions: Sequence[Prediction], targets: Sequence[Target | None]) -> None:
        """Take in `LabelMap`s and their `MaskTarget`s, of equal sizes.

        Raises:
            DataError: a picture without truth, or a pixel of a class beyond the names.
            ShapeError, UsageError: predictions or targets of another size or kind.
        """
        for prediction, target in expect_pairs(predictions, targets, LabelMap, MaskTarget):
            if prediction.mask.shape != target.mask.shape:
                raise ShapeError(
                    f"a prediction of {tuple(prediction.mask.shape)} pixels (height, width) for a "
                    f"truth of {tuple(target.mask.shape)}",
                    fix="score at the original size of the picture",
                )
            truth, said = target.mask.cpu().numpy(), prediction.mask.cpu().numpy()
            self._confusions.append(_confusion(truth, said, len(self._classes)))

    def picture_errors(self) -> list[float]:
        """1 - the share of right pixels of each picture; 0 where all of them are ignored."""
        shares = [ratio(np.trace(one), one.sum()) for one in self._confusions]
        return [0.0 if np.isnan(share) else 1 - float(share) for share in shares]

    def scores(self, intervals: bool = True) -> Scores:
        """All scores so far.

        Raises:
            DataError: no pictures, or no pixel whose class is known.
        """
        if not self._confusions:
            raise DataError("no pictures to score", fix="check that the split is not empty")
        each = np.stack(self._confusions)  # [N, K, K]
        if each.sum() == 0:
            raise DataError(
                f"all pixels of {len(each)} pictures are marked as unknown ({IGNORE})",
                fix="check the values of the masks",
            )
        # All that the scores need of each picture: diagonal, rows and columns, as [N, 3 K].
        parts = [each.diagonal(axis1=1, axis2=2), each.sum(axis=2), each.sum(axis=1)]
        sums = np.concatenate(parts, axis=1).astype(np.float64)

        def statistic(counts: Counts) -> Values:
            return _scores_of(np.einsum("rn,nk->rk", counts.astype(np.float64), sums))

        once = np.ones(len(each), dtype=np.int64)
        found = estimate(statistic, once, intervals=intervals)
        names = ["mean_iou", "pixel_accuracy", "mean_accuracy"]
        overall = {
            key: score for key, score in zip(names, found, strict=False) if score is not None
        }
        classes = len(self._classes)
        ious, accuracies = found[3 : 3 + classes], found[3 + classes :]
        per_class = {
            name: {key: score for key, score in {"iou": iou, "accuracy": accuracy}.items() if score}
            for name, iou, accuracy in zip(self._classes, ious, accuracies, strict=True)
            if iou is not None
        }
        rows = tuple(tuple(row) for row in each.sum(axis=0).tolist())
        return Scores("mean_iou", overall, per_class, rows, len(each))


def _confusion(truth: NDArray[np.uint8], said: NDArray[np.uint8], classes: int) -> Counts:
    """Pixels [K, K] of each truth (row) and prediction (column) of one picture."""
    known = truth != IGNORE
    rows, columns = truth[known].astype(np.int64), said[known].astype(np.int64)
    if rows.max(initial=0) >= classes:
        raise DataError(
            f"a mask has pixels of class {rows.max()}, but only {classes} class names",
            expected=f"classes 0 to {classes - 1}, and {IGNORE} for pixels to ignore",
        )
    if columns.max(initial=0) >= classes:
        raise UsageError(f"pixels were predicted as class {columns.max()} of {classes}")
    return np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes)


def _scores_of(sums: Values) -> Values:
    """[R, 3 + 2 K]: the overall scores, then IoU and accuracy of each class, from [R, 3 K]."""
    diagonal, row, column = np.split(sums, 3, axis=1)
    iou = ratio(diagonal, row + column - diagonal)
    accuracy = ratio(diagonal, row)
    pixel_accuracy = ratio(diagonal.sum(axis=1), row.sum(axis=1))[:, None]
    return np.concatenate(
        [mean_known(iou), pixel_accuracy, mean_known(accuracy), iou, accuracy], axis=1
    )
