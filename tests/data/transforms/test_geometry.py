from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate, max_pool2d
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from manako.data.transforms.geometry import (
    PAD_LEVEL,
    frame_of,
    lay,
    mirrored,
    resize_image,
    resize_mask,
)
from manako.errors import UsageError
from manako.structures import IGNORE, BoxTargets, ClassTarget, Frame, MaskTarget, Sample


def noise(channels, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)


def boxes(*rows):
    return BoxTargets(torch.tensor(rows, dtype=torch.float32), torch.arange(len(rows)))


sides = st.integers(1, 40)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_stretching_fills_the_input(original_hw, input_hw):
    frame = frame_of(original_hw, input_hw, "stretch")

    assert frame == Frame(original_hw, input_hw, input_hw)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_a_letterbox_shows_the_whole_picture_in_its_proportions(original_hw, input_hw):
    frame = frame_of(original_hw, input_hw, "letterbox")

    scale = min(input_hw[0] / original_hw[0], input_hw[1] / original_hw[1])
    for axis in (0, 1):
        content, size = frame.content_hw[axis], input_hw[axis]
        assert content == max(1, round(original_hw[axis] * scale))
        assert abs(frame.offset_yx[axis] - (size - content) / 2) <= 0.5
        assert 0 <= frame.offset_yx[axis] <= size - content


def test_the_crop_rule_enlarges_the_shorter_side_to_256_for_224():
    frame = frame_of((300, 400), (224, 224), "crop")

    assert frame.content_hw == (256, 341)
    assert frame.offset_yx == (-16, -58)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_the_crop_rule_covers_the_input(original_hw, input_hw):
    frame = frame_of(original_hw, input_hw, "crop")

    for axis in (0, 1):
        assert frame.content_hw[axis] >= input_hw[axis]
        assert frame.offset_yx[axis] <= 0
        assert frame.offset_yx[axis] + frame.content_hw[axis] >= input_hw[axis]


@pytest.mark.parametrize("rule", ["stretch", "letterbox", "crop"])
def test_a_picture_of_the_right_size_stays_as_it_is(rule):
    assert frame_of((30, 20), (30, 20), rule) == Frame((30, 20), (30, 20), (30, 20))


def test_an_unknown_rule_is_refused():
    with pytest.raises(UsageError, match="rule 'squeeze' is not known"):
        frame_of((3, 3), (4, 4), "squeeze")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size_hw", [(17, 40), (64, 90), (40, 61)])
def test_pictures_are_resized_as_torchvision_does(channels, size_hw):
    image = noise(channels, 40, 61)

    ours = resize_image(image, size_hw)

    theirs = reference.resize_image(image.float(), list(size_hw), antialias=True)
    assert ours.shape == (channels, *size_hw)
    assert (ours.float() - theirs).abs().max() <= 1.01


def test_sides_of_a_few_pixels_are_resized_rightly():
    for channels, height, width, new_height, new_width in product((1, 3), *[(1, 2, 7)] * 4):
        image = noise(channels, height, width)
        size = [new_height, new_width]

        ours = resize_image(image, (new_height, new_width))

        theirs = interpolate(image[None].double(), size, mode="bilinear", antialias=True)[0]
        assert ours.dtype == torch.uint8
        assert (ours.double() - theirs).abs().max() <= 1.01


@pytest.mark.parametrize("size_hw", [(17, 40), (64, 90), (40, 61)])
def test_masks_are_resized_as_torchvision_does(size_hw):
    mask = noise(1, 40, 61)

    ours = resize_mask(mask[0], size_hw)

    theirs = reference.resize_image(
        mask, list(size_hw), interpolation=InterpolationMode.NEAREST_EXACT
    )
    assert torch.equal(ours, theirs[0])


frames = st.builds(
    Frame,
    original_hw=st.just((12, 17)),
    input_hw=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    content_hw=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    offset_yx=st.tuples(st.integers(-45, 35), st.integers(-45, 35)),
)


@given(frames)
def test_each_pixel_of_the_input_shows_its_place_in_the_content_or_padding(frame):
    sample = Sample(noise(3, 12, 17), MaskTarget(noise(1, 12, 17, seed=1)[0]), "a.png")

    laid = lay(sample, frame)

    content = resize_image(sample.image, frame.content_hw)
    content_mask = resize_mask(sample.target.mask, frame.content_hw)
    expected = torch.full((3, *frame.input_hw), PAD_LEVEL, dtype=torch.uint8)
    expected_mask = torch.full(frame.input_hw, IGNORE, dtype=torch.uint8)
    for y in range(frame.input_hw[0]):
        for x in range(frame.input_hw[1]):
            v, u = y - frame.offset_yx[0], x - frame.offset_yx[1]
            if 0 <= v < frame.content_hw[0] and 0 <= u < frame.content_hw[1]:
                expected[:, y, x] = content[:, v, u]
                expected_mask[y, x] = content_mask[v, u]
    assert torch.equal(laid.image, expected)
    assert torch.equal(laid.target.mask, expected_mask)


def test_masks_stay_on_top_of_the_pictures_they_belong_to():
    mask = torch.zeros(90, 120, dtype=torch.uint8)
    mask[20:61, 33:90] = 1
    mask[50:80, 10:40] = 1
    painted = Sample(mask[None] * 255, MaskTarget(mask), "a.png")

    for frame in (
        frame_of((90, 120), (47, 50), "stretch"),
        frame_of((90, 120), (130, 130), "letterbox"),
        Frame((90, 120), (60, 60), (70, 100), (-5, -20)),
    ):
        laid = lay(painted, frame, pad_level=0)

        seen, told = laid.image[0] > 127, laid.target.mask == 1
        near = (
            max_pool2d(told[None].float(), 3, 1, 1)
            - 1
            + max_pool2d(1 - told[None].float(), 3, 1, 1)
        )
        # They may differ in pixels of the border, which are covered by half, but nowhere else.
        assert told.any()
        assert not ((seen != told) & (near[0] == 0)).any()
        assert (seen != told).sum() < 0.02 * told.numel()


def painted_bounds(image):
    ys, xs = torch.nonzero(image[0] > 127, as_tuple=True)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


@pytest.mark.parametrize(
    "frame",
    [
        frame_of((80, 100), (57, 43), "stretch"),
        frame_of((80, 100), (160, 160), "letterbox"),
        frame_of((80, 100), (70, 70), "crop"),
        Frame((80, 100), (60, 60), (80, 100), (-15, -20)),
        Frame((80, 100), (150, 140), (120, 90), (7, 13)),
    ],
)
def test_boxes_follow_the_pixels(frame):
    image = torch.zeros(1, 80, 100, dtype=torch.uint8)
    image[:, 25:51, 31:72] = 255

    laid = lay(Sample(image, boxes([31, 25, 72, 51]), "a.png"), frame, pad_level=0)

    seen = torch.tensor(painted_bounds(laid.image), dtype=torch.float32)
    assert (laid.target.boxes_xyxy[0] - seen).abs().max() <= 0.51


def test_a_crop_drops_boxes_whose_centre_it_loses_and_clips_the_others():
    target = boxes([0, 0, 20, 20], [0, 0, 19, 19], [12, 12, 40, 20], [24, 15, 28, 40])
    sample = Sample(noise(3, 40, 40), target, "a.png")

    cropped = lay(sample, Frame((40, 40), (20, 20), (40, 40), (-10, -10)))

    assert cropped.target.boxes_xyxy.tolist() == [[0, 0, 10, 10], [2, 2, 20, 10], [14, 5, 18, 20]]
    assert cropped.target.labels.tolist() == [0, 2, 3]


def test_a_box_whose_rest_is_thinner_than_a_pixel_is_dropped():
    target = boxes([19.5, 2, 20.4, 8], [10, 2, 19, 8])
    sample = Sample(noise(3, 40, 40), target, "a.png")

    cropped = lay(sample, Frame((40, 40), (40, 20), (40, 40), (0, 0)))

    assert cropped.target.labels.tolist() == [1]


def test_without_a_crop_no_box_is_dropped_however_small():
    sample = Sample(noise(3, 40, 40), boxes([1, 1, 2, 2]), "a.png")

    laid = lay(sample, frame_of((40, 40), (10, 10), "stretch"))

    assert laid.target.boxes_xyxy.tolist() == [[0.25, 0.25, 0.5, 0.5]]


@pytest.mark.parametrize("horizontally", [True, False])
def test_two_mirrorings_are_none(horizontally):
    target = boxes([1, 3, 5, 9], [0, 0, 13, 11])
    with_boxes = Sample(noise(3, 11, 13), target, "a.png")
    with_mask = Sample(noise(1, 11, 13), MaskTarget(noise(1, 11, 13, seed=2)[0]), "b.png")

    for sample in (with_boxes, with_mask):
        once = mirrored(sample, horizontally=horizontally)
        twice = mirrored(once, horizontally=horizontally)

        assert not torch.equal(once.image, sample.image)
        assert torch.equal(twice.image, sample.image)
        if sample is with_boxes:
            assert torch.equal(twice.target.boxes_xyxy, target.boxes_xyxy)
            assert not torch.equal(once.target.boxes_xyxy, target.boxes_xyxy)
        else:
            assert torch.equal(twice.target.mask, sample.target.mask)
            assert torch.equal(once.target.mask[None], sample_flip(sample, horizontally))


def sample_flip(sample, horizontally):
    mask = sample.target.mask[None]
    return reference.horizontal_flip(mask) if horizontally else reference.vertical_flip(mask)


@pytest.mark.parametrize("horizontally", [True, False])
def test_boxes_are_mirrored_with_their_pixels(horizontally):
    image = torch.zeros(1, 20, 30, dtype=torch.uint8)
    image[:, 3:9, 4:17] = 255

    flipped = mirrored(Sample(image, boxes([4, 3, 17, 9]), "a.png"), horizontally=horizontally)

    assert flipped.target.boxes_xyxy[0].tolist() == painted_bounds(flipped.image)


def test_classes_and_missing_truth_are_left_alone():
    for target in (ClassTarget(3), None):
        sample = Sample(noise(3, 8, 8), target, "a.png")

        laid = lay(sample, frame_of((8, 8), (5, 6), "stretch"))

        assert laid.target == target
        assert mirrored(sample, horizontally=True).target == target
