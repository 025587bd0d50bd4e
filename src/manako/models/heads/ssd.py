"""The head of SSD: https://arxiv.org/abs/1512.02325 (Liu et al. 2016), section 2.1.

Shapes: L maps [B, C_l, H_l, W_l], n anchors in each cell, A = n * sum of H_l * W_l, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from manako.models.protocols import ClassRows

BACKGROUND_SHARE = 0.75
"""The share of background among the anchors that SSD's loss looks at: it takes three negatives
for each positive (section 2.2, "Hard negative mining")."""


class SSDHead(nn.Module):
    """For each map one 3x3 convolution for the classes and one for the boxes.

    Weights start from N(0, 0.01). Biases are zero but for the background's, which is set so that
    every anchor starts with the probability `BACKGROUND_SHARE` of being background and the rest
    spread over the classes: the first loss is then the least that a constant guess can reach.
    The paper starts all biases from zero.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, anchors_per_cell: int) -> None:
        super().__init__()
        self.num_classes, self.anchors_per_cell = num_classes, anchors_per_cell
        outputs = anchors_per_cell * (num_classes + 1)
        self.classes = nn.ModuleList(nn.Conv2d(c, outputs, 3, padding=1) for c in channels)
        self.boxes = nn.ModuleList(
            nn.Conv2d(c, 4 * anchors_per_cell, 3, padding=1) for c in channels
        )
        self._initialise()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits [B, A, K + 1] and offsets [B, A, 4], in the order of `grid_anchors`."""
        logits = [
            _by_anchor(conv(x), self.num_classes + 1)
            for conv, x in zip(self.classes, maps, strict=True)
        ]
        offsets = [_by_anchor(conv(x), 4) for conv, x in zip(self.boxes, maps, strict=True)]
        return torch.cat(logits, 1), torch.cat(offsets, 1)

    def class_rows(self) -> dict[str, ClassRows]:
        """In every class convolution: for each anchor the background, then the classes."""
        rows = ClassRows(groups=self.anchors_per_cell, before=1)
        return {
            f"classes.{level}.{kind}": rows
            for level in range(len(self.classes))
            for kind in ("weight", "bias")
        }

    @torch.no_grad()
    def _initialise(self) -> None:
        share = BACKGROUND_SHARE
        background = math.log(share / (1 - share) * self.num_classes)
        for conv in (*self.classes, *self.boxes):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)
        for name, tensor in self.classes.named_parameters():
            if name.endswith("bias"):
                tensor.view(self.anchors_per_cell, -1)[:, 0] = background


def _by_anchor(x: Tensor, values: int) -> Tensor:
    """[B, n * values, H, W] -> [B, H * W * n, values]: cell by cell, then anchor by anchor."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, values)
