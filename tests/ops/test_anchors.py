import pytest
import torch

from manako.errors import UsageError
from manako.ops.anchors import grid_anchors


def test_anchors_go_cell_by_cell_and_in_each_cell_shape_by_shape():
    sizes_wh = [(4.0, 2.0), (8.0, 16.0)]

    anchors = grid_anchors((2, 3), 10, sizes_wh)

    expected = [
        [
            (x + 0.5) * 10 - w / 2,
            (y + 0.5) * 10 - h / 2,
            (x + 0.5) * 10 + w / 2,
            (y + 0.5) * 10 + h / 2,
        ]
        for y in range(2)
        for x in range(3)
        for w, h in sizes_wh
    ]
    assert anchors.dtype == torch.float32
    assert anchors.tolist() == expected


def test_anchors_of_uneven_sizes_keep_their_fractions():
    anchors = grid_anchors((1, 1), 3, [(1.5, 0.5)])

    assert anchors.tolist() == [[0.75, 1.25, 2.25, 1.75]]


@pytest.mark.parametrize(("map_hw", "stride"), [((0, 3), 8), ((3, 0), 8), ((3, 3), 0)])
def test_a_map_without_cells_is_refused(map_hw, stride):
    with pytest.raises(UsageError, match=r"anchors on a map of \d x \d cells of \d pixels"):
        grid_anchors(map_hw, stride, [(4, 4)])


@pytest.mark.parametrize("sizes_wh", [[], [(0, 4)], [(4, -1)], [(float("nan"), 1)]])
def test_anchor_sizes_must_be_positive(sizes_wh):
    with pytest.raises(UsageError, match="anchor sizes"):
        grid_anchors((1, 1), 8, sizes_wh)
