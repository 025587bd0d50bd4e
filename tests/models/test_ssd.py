import copy
import math

import pytest
import torch
from torch import nn

from manako.errors import UsageError
from manako.models.backbones.quick32 import Quick32Features
from manako.models.backbones.resnet_cifar import CifarResNet
from manako.models.ssd import SIZES_REMEMBERED, SSD


class Pooled(nn.Module):
    """A backbone that costs nothing: the picture, made small."""

    def __init__(self, strides):
        super().__init__()
        self.channels = dict.fromkeys(strides, 3)

    def forward(self, images):
        return {s: nn.functional.avg_pool2d(images, s, ceil_mode=True) for s in self.channels}


@pytest.mark.parametrize(
    ("strides", "expected", "extras"),
    [
        ([4, 8, 16, 32], [8, 16, 32, 64], 1),
        ([2, 4, 8], [8, 16, 32, 64], 3),
        ([1, 2, 4], [1, 2, 4, 8], 1),
        ([8, 16, 32, 64, 128], [8, 16, 32, 64, 128], 0),
    ],
)
def test_levels_are_the_coarse_maps_and_extra_ones_until_there_are_four(strides, expected, extras):
    model = SSD(Pooled(strides), num_classes=2)

    assert model.strides == expected
    assert len(model.extras) == extras


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("size_hw", [(64, 64), (96, 160), (75, 133)])
def test_there_is_one_anchor_for_each_row_of_logits_and_each_lies_at_its_cell(size_hw, wide):
    model = SSD(Pooled([8, 16, 32]), num_classes=3, wide_ratios=wide).eval()
    per_cell = 6 if wide else 4

    raw = model(torch.zeros(2, 3, *size_hw))

    cells = [(-(-size_hw[0] // s), -(-size_hw[1] // s), s) for s in (8, 16, 32, 64)]
    count = per_cell * sum(h * w for h, w, _ in cells)
    assert raw.class_logits.shape == (2, count, 4)
    assert raw.offsets.shape == (2, count, 4)
    centres = (raw.anchors_xyxy[:, :2] + raw.anchors_xyxy[:, 2:]) / 2
    expected = [
        ((x + 0.5) * s, (y + 0.5) * s)
        for h, w, s in cells
        for y in range(h)
        for x in range(w)
        for _ in range(per_cell)
    ]
    torch.testing.assert_close(centres, torch.tensor(expected))
    reach = 32  # pixels, half a cell of the coarsest map
    assert (centres >= 0).all()
    assert (centres <= torch.tensor([size_hw[1] + reach, size_hw[0] + reach])).all()


@pytest.mark.parametrize("wide", [False, True])
def test_anchors_have_the_sizes_and_ratios_of_their_level(wide):
    model = SSD(Pooled([8, 16, 32]), num_classes=3, size_factor=2.5, wide_ratios=wide).eval()

    anchors = model(torch.zeros(1, 3, 64, 64)).anchors_xyxy
    sides = anchors[:, 2:] - anchors[:, :2]
    shapes = {(round(w, 2), round(h, 2)) for w, h in sides.tolist()}

    expected = set()
    for stride in (8, 16, 32, 64):
        side = 2.5 * stride
        for ratio in (1, 2, 0.5, 3, 1 / 3) if wide else (1, 2, 0.5):
            expected.add((round(side * math.sqrt(ratio), 2), round(side / math.sqrt(ratio), 2)))
        expected.add((round(side * math.sqrt(2), 2), round(side * math.sqrt(2), 2)))
    assert shapes == expected


def test_the_first_loss_is_near_that_of_a_constant_guess():
    torch.manual_seed(0)
    model = SSD(CifarResNet(8), num_classes=5).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        log_probabilities = model(images).class_logits.log_softmax(-1)

    negative = -log_probabilities[..., 0].mean().item()
    positive = -log_probabilities[..., 1:].mean().item()
    assert negative == pytest.approx(-math.log(0.75), abs=0.15)
    assert positive == pytest.approx(-math.log(0.25 / 5), abs=0.3)


def test_raw_output_is_float32_under_autocast():
    model = SSD(Quick32Features(width=8), num_classes=3).eval()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        raw = model(torch.zeros(1, 3, 40, 40))

    assert {raw.class_logits.dtype, raw.offsets.dtype, raw.anchors_xyxy.dtype} == {torch.float32}


def test_anchors_are_made_once_for_each_size_and_are_no_state():
    model = SSD(Pooled([8, 16, 32]), num_classes=3).eval()
    small, large = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 128)
    names = set(model.state_dict())

    first = model(small).anchors_xyxy
    other = model(large).anchors_xyxy
    again = model(small).anchors_xyxy

    assert again is first
    assert len(other) > len(first)
    assert set(model.state_dict()) == names
    assert not any("anchor" in name for name in names)


def test_the_memory_of_anchors_is_bounded():
    model = SSD(Pooled([8, 16, 32]), num_classes=3).eval()

    for width in range(1, 2 * SIZES_REMEMBERED + 2):
        anchors = model.anchors_xyxy([torch.zeros(1, 3, 2, width)] * 4)
        assert len(anchors) == 4 * 4 * 2 * width

    assert 1 <= len(model._anchors) <= SIZES_REMEMBERED


def test_anchors_made_while_predicting_can_be_trained_with():
    model = SSD(Pooled([8, 16, 32]), num_classes=3).eval()
    with torch.inference_mode():
        model(torch.zeros(1, 3, 64, 64))

    raw = model(torch.zeros(1, 3, 64, 64))
    (raw.offsets * raw.anchors_xyxy).sum().backward()

    assert not raw.anchors_xyxy.is_inference()
    assert model.head.boxes[0].bias.grad.isfinite().all()


def test_a_copy_gives_the_same_output():
    model = SSD(Pooled([8, 16, 32]), num_classes=3).eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    expected = model(images)
    found = copy.deepcopy(model)(images)

    assert torch.equal(found.class_logits, expected.class_logits)
    assert torch.equal(found.anchors_xyxy, expected.anchors_xyxy)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_size_factor_that_is_not_positive_is_refused(factor):
    with pytest.raises(UsageError, match="size_factor must be above 0, not "):
        SSD(Pooled([8, 16, 32]), num_classes=3, size_factor=factor)
