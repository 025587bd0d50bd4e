import math

import pytest
import torch

from manako.models.heads.ssd import SSDHead
from manako.models.protocols import ClassRows


def test_outputs_stand_cell_by_cell_and_anchor_by_anchor():
    head = SSDHead([2], num_classes=2, anchors_per_cell=3)
    convolution = head.boxes[0]
    torch.nn.init.zeros_(convolution.weight)
    with torch.no_grad():  # anchor a, value v of a cell: channel 0 of the cell, times 10 a + v
        for anchor in range(3):
            for value in range(4):
                convolution.weight[4 * anchor + value, 0, 1, 1] = 10 * anchor + value
    cells = torch.zeros(1, 2, 4, 5)
    cells[0, 0, 2, 3] = 1

    _, offsets = head([cells])

    expected = torch.zeros(4 * 5, 3, 4)
    expected[2 * 5 + 3] = torch.tensor([[0.0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]])
    torch.testing.assert_close(offsets[0], expected.reshape(60, 4))


def test_levels_follow_each_other_and_classes_come_with_a_background():
    head = SSDHead([2, 3], num_classes=4, anchors_per_cell=3)

    logits, offsets = head([torch.zeros(2, 2, 4, 5), torch.zeros(2, 3, 2, 3)])

    assert logits.shape == (2, 3 * (20 + 6), 5)
    assert offsets.shape == (2, 3 * (20 + 6), 4)


@pytest.mark.parametrize("num_classes", [1, 3, 20])
def test_an_empty_map_gives_three_quarters_to_the_background(num_classes):
    head = SSDHead([2], num_classes=num_classes, anchors_per_cell=3)

    logits, offsets = head([torch.zeros(1, 2, 4, 5)])
    probabilities = logits.softmax(-1)

    torch.testing.assert_close(probabilities[..., 0], torch.full((1, 60), 0.75))
    torch.testing.assert_close(
        probabilities[..., 1:], torch.full((1, 60, num_classes), 0.25 / num_classes)
    )
    assert torch.equal(offsets, torch.zeros(1, 60, 4))


def test_no_other_constant_guess_has_a_smaller_first_loss():
    def loss(background, classes=20):  # one positive and the three negatives taken with it
        return -math.log((1 - background) / classes) - 3 * math.log(background)

    others = [share / 100 for share in range(1, 100) if share != 75]

    assert all(loss(0.75) < loss(share) for share in others)


def test_weights_start_small():
    head = SSDHead([256], num_classes=20, anchors_per_cell=4)

    for convolution in (head.classes[0], head.boxes[0]):
        assert convolution.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_the_rows_of_classes_lie_in_groups_behind_a_background():
    head = SSDHead([2, 3], num_classes=4, anchors_per_cell=3)

    rows = head.class_rows()
    state = head.state_dict()

    assert set(rows) == {name for name in state if name.startswith("classes.")}
    assert set(rows.values()) == {ClassRows(groups=3, before=1)}
    assert all(rows[name].classes(len(state[name])) == 4 for name in rows)
