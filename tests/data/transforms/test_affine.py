import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import RandomAffine
from manako.data.transforms.affine import IDENTITY, Affine, moved
from manako.errors import UsageError
from manako.structures import IGNORE, BoxTargets, ClassTarget, MaskTarget, Sample

SIZES = [(32, 32), (17, 40), (60, 33), (1, 7), (5, 1)]
every_size = pytest.mark.parametrize("size_hw", SIZES, ids=str)

angles = st.floats(-170, 170)
moves = st.builds(
    dict,
    angle=angles,
    scale=st.floats(0.4, 2.5),
    shear=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    translate=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
)


def noise(channels, height, width, seed=0, levels=256):
    generator = torch.Generator().manual_seed(seed)
    shape = (channels, height, width)
    return torch.randint(0, levels, shape, generator=generator, dtype=torch.uint8)


def smooth(channels, height, width):
    """Neighbours differ by little, so that positions a hair apart show levels a hair apart."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [(x * (1 + channel) / 9 + y / 7).sin() for channel in range(channels)]
    return (torch.stack(waves) * 120 + 128).to(torch.uint8)


def affine_of(move, size_hw):
    return Affine.about(
        (size_hw[1] / 2, size_hw[0] / 2),
        rotate_degrees=move["angle"],
        shear_degrees=move["shear"],
        scale_xy=(move["scale"],) * 2,
        shift_xy=move["translate"],
    )


def torchvisions(inpt, move, interpolation=InterpolationMode.BILINEAR, fill=None):
    return reference.affine(
        inpt,
        angle=move["angle"],
        translate=list(move["translate"]),
        scale=move["scale"],
        shear=list(move["shear"]),
        interpolation=interpolation,
        fill=fill,
    )


def away_from_borders_of_pixels(back, size_hw):
    """Where a pixel's source is clearly inside one pixel: on a border, the last bit decides."""
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size_hw), indexing="ij")
    sources = torch.stack(back.point(x.double(), y.double()))
    return ((sources - sources.round()).abs() > 1e-3).all(dim=0)


@every_size
@settings(max_examples=40)
@given(move=moves)
def test_pictures_move_as_torchvisions_do(size_hw, move):
    image = smooth(3, *size_hw)

    ours = moved(Sample(image, None, "a.png"), affine_of(move, size_hw)).image

    theirs = torchvisions(image, move)
    assert (ours.int() - theirs.int()).abs().max() <= 1


@every_size
@settings(max_examples=40)
@given(move=moves)
def test_masks_move_as_torchvisions_do_and_are_unknown_outside(size_hw, move):
    mask = noise(1, *size_hw, levels=5)[0]
    sample = Sample(mask[None], MaskTarget(mask), "a.png")

    ours = moved(sample, affine_of(move, size_hw)).target.mask

    theirs = torchvisions(tv_tensors.Mask(mask), move, InterpolationMode.NEAREST, fill=IGNORE)
    clear = away_from_borders_of_pixels(affine_of(move, size_hw).inverse, size_hw)
    assert torch.equal(ours[clear], theirs[clear])


@settings(max_examples=60)
@given(move=moves)
def test_boxes_become_those_around_their_corners_as_torchvisions_do(move):
    size_hw = (60, 80)
    boxes = torch.tensor([[30.0, 20.0, 50.0, 35.0], [38.0, 25.0, 42.0, 35.0]])

    ours = affine_of(move, size_hw).boxes(boxes)

    theirs = reference.affine_bounding_boxes(
        boxes,
        format=tv_tensors.BoundingBoxFormat.XYXY,
        canvas_size=size_hw,
        angle=move["angle"],
        translate=list(move["translate"]),
        scale=move["scale"],
        shear=list(move["shear"]),
        clamping_mode=None,
    )
    assert torch.allclose(ours, theirs, atol=0.01)


def test_a_box_that_leaves_is_dropped_and_one_at_the_border_is_clipped():
    boxes = BoxTargets(
        torch.tensor([[0.0, 0.0, 8.0, 8.0], [20.0, 20.0, 38.0, 30.0]]), torch.tensor([3, 4])
    )
    sample = Sample(noise(3, 40, 40), boxes, "a.png")

    target = moved(sample, Affine(1, 0, 10, 0, 1, -9)).target

    assert target.labels.tolist() == [4]
    assert target.boxes_xyxy.tolist() == [[30.0, 11.0, 40.0, 21.0]]
    assert boxes.boxes_xyxy[0].tolist() == [0.0, 0.0, 8.0, 8.0]


def test_a_picture_without_boxes_keeps_none():
    empty = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))

    assert len(moved(Sample(noise(1, 9, 9), empty, "a.png"), Affine(0, -1, 9, 1, 0, 0)).target) == 0


@pytest.mark.parametrize("fill", ["zero", "edge", "reflect"])
def test_a_quarter_turn_is_exact(fill):
    image = noise(3, 12, 12)
    sample = Sample(image, MaskTarget(image[0]), "a.png")

    turned = moved(sample, Affine(0, -1, 12, 1, 0, 0), fill)

    assert torch.equal(turned.image, image.rot90(-1, (1, 2)))
    assert torch.equal(turned.target.mask, image[0].rot90(-1, (0, 1)))


@pytest.mark.parametrize(
    ("fill", "line"),
    [
        ("zero", [0, 0, 0, 10, 20, 30]),
        ("edge", [10, 10, 10, 10, 20, 30]),
        ("reflect", [40, 30, 20, 10, 20, 30]),
    ],
)
def test_what_comes_in_from_outside_is_what_the_fill_says(fill, line):
    image = torch.tensor([[[10, 20, 30, 40, 50, 60]]], dtype=torch.uint8)
    sample = Sample(image, MaskTarget(image[0]), "a.png")

    shifted = moved(sample, Affine(1, 0, 3, 0, 1, 0), fill)

    assert shifted.image[0, 0].tolist() == line
    assert shifted.target.mask[0].tolist() == [IGNORE] * 3 + [10, 20, 30]


@given(move=moves)
def test_the_inverse_leads_back(move):
    there = affine_of(move, (50, 70))

    assert there.inverse.point(*there.point(13, 4)) == pytest.approx((13, 4), abs=1e-6)


def test_a_move_that_moves_nothing_changes_nothing():
    sample = Sample(noise(3, 8, 9), ClassTarget(1), "a.png")

    assert moved(sample, IDENTITY) is sample
    assert RandomAffine()(sample, Draws([0.3] * 7)) is sample


def test_the_numbers_mean_turn_scale_stretch_shear_and_shift_in_this_order():
    move = RandomAffine(40, (0.5, 1.0), (0.8, 1.2), 20, 0.25)
    sample = Sample(smooth(3, 30, 50), ClassTarget(2), "a.png")

    changed = move(sample, Draws([0.75, 0.5, 0.0, 1.0, 0.25, 1.0, 0.5]))

    expected = Affine.about(
        (25, 15),
        rotate_degrees=20,
        scale_xy=(0.75 * 1.2, 0.75 * 0.8),
        shear_degrees=(-10, 0),
        shift_xy=(0, 7.5),
    )
    assert torch.equal(changed.image, moved(sample, expected).image)
    assert changed.target == sample.target


def test_stretching_changes_height_and_width_by_themselves():
    box = BoxTargets(torch.tensor([[30.0, 30.0, 50.0, 40.0]]), torch.tensor([0]))
    sample = Sample(noise(1, 70, 80), box, "a.png")

    sides = []
    for row in uniforms(0, 0, range(50), 7):
        target = RandomAffine(stretch=(0.5, 1.5))(sample, Draws(row)).target
        x1, y1, x2, y2 = target.boxes_xyxy[0].tolist()
        sides.append(((x2 - x1) / 20, (y2 - y1) / 10))

    wide, high = torch.tensor(sides).T
    for factors in (wide, high):
        assert 0.5 <= factors.min() < 0.7
        assert 1.3 < factors.max() <= 1.5
    assert abs(torch.corrcoef(torch.stack([wide, high]))[0, 1]) < 0.4


def test_angles_stay_within_the_range_and_go_both_ways():
    # A thin bar's outermost points tell by how much it was turned.
    box = BoxTargets(torch.tensor([[10.0, 50.0, 90.0, 50.002]]), torch.tensor([0]))

    rises = []
    for row in uniforms(0, 0, range(200), 7):
        draws = Draws(row)
        turn = draws.uniform(-15, 15)
        target = Affine.about((50, 50), rotate_degrees=turn).boxes(box.boxes_xyxy)
        rises.append(float(target[0, 3] - target[0, 1]) / 80 * math.copysign(1, turn))

    assert max(rises) <= math.sin(math.radians(15)) + 1e-3
    assert min(rises) < -0.2 < 0.2 < max(rises)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rotate_degrees": -1}, "rotation -1 cannot be used"),
        ({"rotate_degrees": 181}, "rotation 181 cannot be used"),
        ({"shear_degrees": 90}, "shear 90 cannot be used"),
        ({"shift": 1.5}, "shift 1.5 cannot be used"),
        ({"scale": (0.0, 1.0)}, "scale 0 to 1 cannot be used"),
        ({"stretch": (1.2, 0.9)}, "stretch 1.2 to 0.9 cannot be used"),
        ({"scale": (1.0, math.inf)}, "scale 1 to inf cannot be used"),
        ({"rotate_degrees": math.nan}, "rotation nan cannot be used"),
        ({"fill": "grey"}, "fill 'grey' is not known"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        RandomAffine(**settings)
