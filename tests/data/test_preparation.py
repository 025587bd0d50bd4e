from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from manako.data.preparation import Preparation
from manako.errors import ShapeError, UsageError
from manako.structures import IGNORE, BoxTargets, Frame, MaskTarget, Sample

RGB = Preparation((24, 32), "stretch", 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = Preparation((28, 28), "stretch", 1, (0.13,), (0.31,))
RULES = ["stretch", "letterbox", "crop"]


def noise(channels, height, width):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("rule", RULES)
def test_a_picture_of_the_inputs_size_goes_in_unchanged(rule):
    image = noise(3, 24, 32)

    prepared, frame = replace(RGB, rule=rule).prepare(image)

    assert torch.equal(prepared, image)
    assert frame == Frame((24, 32), (24, 32), (24, 32))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size_hw", [(1, 1), (480, 640), (7, 300), (25, 32)])
def test_every_picture_fills_the_input(rule, size_hw):
    prepared, frame = replace(RGB, rule=rule).prepare(noise(3, *size_hw))

    assert prepared.shape == (3, 24, 32)
    assert prepared.dtype == torch.uint8
    assert frame.original_hw == size_hw
    assert frame.input_hw == (24, 32)


def test_the_crop_rule_is_resizing_and_cropping_the_centre():
    image = noise(3, 90, 120)

    prepared, _ = Preparation((56, 56), "crop", 3, (0, 0, 0), (1, 1, 1)).prepare(image)

    resized = reference.resize_image(image.float(), [64], antialias=True)
    expected = reference.center_crop_image(resized, [56, 56])
    assert (prepared.float() - expected).abs().max() <= 1.01


def test_a_letterbox_has_grey_around_the_picture():
    prepared, frame = replace(RGB, rule="letterbox").prepare(torch.zeros(3, 10, 40).byte())

    assert frame.content_hw == (8, 32)
    assert (prepared[:, 8:16] == 0).all()
    assert (prepared[:, :8] == 114).all()
    assert (prepared[:, 16:] == 114).all()


@given(
    rule=st.sampled_from(["stretch", "letterbox"]),
    size_hw=st.tuples(st.integers(2, 200), st.integers(2, 200)),
    corners=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
)
def test_boxes_find_their_way_back(rule, size_hw, corners):
    height, width = size_hw
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    boxes = torch.tensor([[x1 * width, y1 * height, x2 * width, y2 * height]])
    sample = Sample(
        noise(3, *size_hw), BoxTargets(boxes, torch.zeros(1, dtype=torch.int64)), "a.png"
    )

    prepared, frame = replace(RGB, rule=rule).prepare_sample(sample)

    back = frame.boxes_to_original(prepared.target.boxes_xyxy)
    assert (back - boxes).abs().max() < 1e-4 * max(size_hw)


def test_boxes_and_masks_move_with_the_picture():
    mask = torch.zeros(48, 64, dtype=torch.uint8)
    mask[10:20, 20:40] = 1
    boxes = BoxTargets(torch.tensor([[20.0, 10.0, 40.0, 20.0]]), torch.tensor([0]))

    masked, _ = RGB.prepare_sample(Sample(mask[None].expand(3, -1, -1), MaskTarget(mask), "a"))
    boxed, _ = RGB.prepare_sample(Sample(mask[None].expand(3, -1, -1), boxes, "a"))

    assert torch.equal(masked.target.mask, mask[::2, ::2])
    assert boxed.target.boxes_xyxy.tolist() == [[10, 5, 20, 10]]


def test_the_padding_of_a_mask_is_not_scored():
    mask = torch.zeros(10, 40, dtype=torch.uint8)

    prepared, _ = replace(RGB, rule="letterbox").prepare_sample(
        Sample(noise(3, 10, 40), MaskTarget(mask), "a.png")
    )

    assert (prepared.target.mask == IGNORE).sum() == 16 * 32


@pytest.mark.parametrize("preparation", [RGB, GREY])
def test_normalising_subtracts_the_mean_and_divides_by_the_deviation(preparation):
    images = torch.stack([noise(preparation.channels, 5, 6)] * 2)

    normalised = preparation.normalise(images)

    mean = torch.tensor(preparation.mean, dtype=torch.float64)[:, None, None]
    std = torch.tensor(preparation.std, dtype=torch.float64)[:, None, None]
    expected = (images.double() / 255 - mean) / std
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    assert (normalised - expected).abs().max() < 1e-6
    assert images.dtype == torch.uint8


def test_a_picture_is_normalised_alike_alone_and_in_a_batch():
    images = torch.stack([noise(3, 9, 7), noise(3, 9, 7).flip(1), noise(3, 9, 7).flip(2)])

    together = RGB.normalise(images)

    assert all(torch.equal(together[i], RGB.normalise(images[i : i + 1])[0]) for i in range(3))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 4, 4).byte(), r"images are torch.uint8 of shape \(2, 1, 4, 4\)"),
        (torch.zeros(3, 4, 4).byte(), r"of shape \(3, 4, 4\)"),
        (torch.zeros(2, 3, 4, 4), "images are torch.float32"),
    ],
)
def test_only_pixels_of_the_right_shape_are_normalised(images, message):
    with pytest.raises(ShapeError, match=message):
        RGB.normalise(images)


def test_a_picture_with_other_channels_is_refused_by_name():
    with pytest.raises(ShapeError, match=r"cat\.png has 1 channels\n.*3, as the network"):
        RGB.prepare_sample(Sample(noise(1, 8, 8), None, "cat.png"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_hw": (0, 4)}, r"size_hw \(0, 4\) cannot be used"),
        ({"size_hw": (4,)}, r"size_hw \(4,\) cannot be used"),
        ({"rule": "squeeze"}, "rule 'squeeze' is not known"),
        ({"channels": 4}, "4 channels cannot be used"),
        ({"mean": (0.5,)}, "mean has 1 value for 3 channels"),
        ({"std": (0.5, 0.5)}, "std has 2 values for 3 channels"),
        ({"std": (0.5, 0.0, 0.5)}, r"std \(0.5, 0.0, 0.5\) cannot be used"),
        ({"mean": (0.5, float("nan"), 0.5)}, "mean .* is not finite"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(RGB, **changes)
