"""Anchors: the boxes that a detector compares with, laid out on a grid.

Liu et al. 2016 (https://arxiv.org/abs/1512.02325), section 2.2, "Choosing scales and aspect
ratios for default boxes". Boxes are not clipped to the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from manako.errors import UsageError


def grid_anchors(
    map_hw: tuple[int, int], stride: int, sizes_wh: Sequence[tuple[float, float]]
) -> Tensor:
    """One box of each size around the centre of each cell of a feature map.

    Args:
        map_hw: height and width of the map in cells.
        stride: side of a cell in pixels of the network's input.
        sizes_wh: width and height in pixels of each of the S shapes.

    Returns:
        Boxes [H * W * S, 4] float32 xyxy in pixels of the input, cell by cell (row-major), and in
        each cell shape by shape. The centre of cell (y, x) is ((x + 0.5) * stride,
        (y + 0.5) * stride).

    Raises:
        UsageError: a map, stride or size that is not positive.

    >>> grid_anchors((1, 2), stride=10, sizes_wh=[(4, 2)])
    tensor([[ 3.,  4.,  7.,  6.],
            [13.,  4., 17.,  6.]])
    """
    height, width = map_hw
    if height < 1 or width < 1 or stride < 1:
        raise UsageError(
            f"anchors on a map of {height} x {width} cells of {stride} pixels",
            expected="at least one row, one column and one pixel",
        )
    if not sizes_wh or any(not (w > 0 and h > 0) for w, h in sizes_wh):
        raise UsageError(
            f"anchor sizes {list(sizes_wh)}", expected="one or more positive (width, height)"
        )
    centre_y = (torch.arange(height, dtype=torch.float32) + 0.5) * stride
    centre_x = (torch.arange(width, dtype=torch.float32) + 0.5) * stride
    grid_y, grid_x = torch.meshgrid(centre_y, centre_x, indexing="ij")
    centres_xy = torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 1, 2)
    half_wh = torch.tensor(sizes_wh, dtype=torch.float32).reshape(1, -1, 2) / 2
    return torch.cat([centres_xy - half_wh, centres_xy + half_wh], dim=-1).reshape(-1, 4)
