import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import (
    AlternatingFlip,
    HorizontalFlip,
    PadAndCrop,
    RandomAffine,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.data.transforms.geometry import PAD_LEVEL
from manako.errors import ShapeError, UsageError
from manako.structures import IGNORE, BoxTargets, MaskTarget, Sample


def noise(channels, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 255, (channels, height, width), generator=generator, dtype=torch.uint8)


def with_box(box, size_hw):
    image = torch.zeros(1, *size_hw, dtype=torch.uint8)
    image[:, box[1] : box[3], box[0] : box[2]] = 255
    return Sample(image, BoxTargets(torch.tensor([box]).float(), torch.tensor([0])), "a.png")


def painted_bounds(image):
    ys, xs = torch.nonzero(image[0] > 127, as_tuple=True)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


MOVES = [
    Resize((24, 20)),
    Resize((24, 20), "letterbox"),
    HorizontalFlip(),
    AlternatingFlip(),
    VerticalFlip(),
    RandomAffine(0, (0.7, 1.4), (0.8, 1.2), 0, 0.2),
    RandomCrop((24, 50)),
    ScaleAndCrop((24, 20)),
    ScaleAndCrop((24, 20), (0.6, 1.4), "letterbox"),
    RandomResizedCrop((24, 20)),
    PadAndCrop(3),
    PadAndCrop(3, "reflect"),
    PadAndCrop(3, "edge"),
]
every_move = pytest.mark.parametrize("move", MOVES, ids=str)


@every_move
@settings(max_examples=40)
@given(number=st.lists(st.floats(0, 1, exclude_max=True), min_size=22, max_size=22))
def test_boxes_stay_around_their_pixels(move, number):
    # Far from the border, so that reflection brings in no second rectangle.
    sample = with_box([12, 10, 24, 19], (30, 36))

    moved = move(sample, Draws(number[: move.draws]))

    if len(moved.target) and (moved.image > 127).any():
        seen = torch.tensor(painted_bounds(moved.image), dtype=torch.float32)
        assert (moved.target.boxes_xyxy[0] - seen).abs().max() <= 1.0


@every_move
@settings(max_examples=40)
@given(number=st.lists(st.floats(0, 1, exclude_max=True), min_size=22, max_size=22))
def test_masks_move_as_the_picture_does(move, number):
    mask = torch.zeros(30, 36, dtype=torch.uint8)
    mask[4:22, 9:30] = 1
    sample = Sample(mask[None] * 255, MaskTarget(mask), "a.png")

    moved = move(sample, Draws(number[: move.draws]))

    known = moved.target.mask != IGNORE
    differs = ((moved.image[0] > 127) != (moved.target.mask == 1)) & known
    # Only along one border may rounding of a half-covered line of pixels differ.
    assert int(differs.sum()) <= max(moved.size_hw)


@every_move
def test_the_sample_that_came_is_left_as_it_was(move):
    sample = Sample(noise(3, 30, 36), MaskTarget(noise(1, 30, 36, seed=1)[0]), "a.png")
    image, mask = sample.image.clone(), sample.target.mask.clone()

    for row in uniforms(0, 0, range(5), move.draws):
        move(sample, Draws(row))

    assert torch.equal(sample.image, image)
    assert torch.equal(sample.target.mask, mask)


@pytest.mark.parametrize(
    "move", [Resize((24, 20)), RandomCrop((24, 20)), RandomResizedCrop((24, 20))], ids=str
)
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 200), (200, 3), (24, 20), (25, 19)])
def test_the_size_asked_for_comes_out_whatever_comes_in(move, size_hw):
    for row in uniforms(1, 0, range(10), move.draws):
        assert move(Sample(noise(3, *size_hw), None, "a.png"), Draws(row)).size_hw == (24, 20)


@pytest.mark.parametrize("rule", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 200), (200, 3), (24, 20), (25, 19)])
def test_scaling_and_cropping_ends_in_the_size_asked_for(rule, size_hw):
    move = ScaleAndCrop((24, 20), (0.1, 3.0), rule)

    for row in uniforms(1, 0, range(10), move.draws):
        assert move(Sample(noise(3, *size_hw), None, "a.png"), Draws(row)).size_hw == (24, 20)


def test_resizing_to_the_same_size_changes_nothing():
    sample = Sample(noise(3, 24, 20), None, "a.png")

    assert Resize((24, 20))(sample, Draws([])) is sample


@pytest.mark.parametrize("flip", [HorizontalFlip, VerticalFlip])
def test_a_flip_happens_with_its_probability(flip):
    sample = Sample(torch.arange(4, dtype=torch.uint8).view(1, 2, 2), None, "a.png")

    assert flip(1.0)(sample, Draws([0.999])) is not sample
    assert flip(0.0)(sample, Draws([0.0])) is sample
    changed = sum(
        flip(0.25)(sample, Draws(row)) is not sample for row in uniforms(0, 0, range(4000), 1)
    )
    assert abs(changed - 1000) < 4 * np.sqrt(4000 * 0.25 * 0.75)


@pytest.mark.parametrize(("fill", "mode"), [("reflect", "reflect"), ("edge", "replicate")])
@pytest.mark.parametrize("shift_yx", [(0, 0), (-3, 3), (2, -1), (3, 0), (0, 1)])
def test_padding_and_cropping_equals_padding_then_cropping(fill, mode, shift_yx):
    sample = Sample(noise(3, 7, 9), MaskTarget(noise(1, 7, 9, seed=4)[0]), "a.png")
    numbers = [(shift + 3.5) / 7 for shift in shift_yx]

    moved = PadAndCrop(3, fill)(sample, Draws(numbers))

    padded = pad(sample.image[None].float(), (3, 3, 3, 3), mode=mode)[0]
    padded_mask = pad(sample.target.mask[None, None].float(), (3, 3, 3, 3), mode=mode)[0, 0]
    top, left = 3 - shift_yx[0], 3 - shift_yx[1]
    assert torch.equal(moved.image.float(), padded[:, top : top + 7, left : left + 9])
    assert torch.equal(moved.target.mask.float(), padded_mask[top : top + 7, left : left + 9])


def test_zero_fill_is_black_in_the_picture_and_unknown_in_the_mask():
    sample = Sample(noise(3, 7, 9) + 1, MaskTarget(torch.zeros(7, 9, dtype=torch.uint8)), "a.png")

    moved = PadAndCrop(2)(sample, Draws([0.99, 0.0]))  # down by 2, left by 2

    assert torch.equal(moved.image[:, 2:, :7], sample.image[:, :5, 2:])
    assert (moved.image[:, :2] == 0).all()
    assert (moved.image[:, :, 7:] == 0).all()
    assert (moved.target.mask == IGNORE).sum() == 2 * 9 + 5 * 2


def test_all_shifts_of_pad_and_crop_are_equally_likely():
    image = torch.zeros(1, 9, 9, dtype=torch.uint8)
    image[0, 4, 4] = 1
    sample = Sample(image, None, "a.png")

    places = [
        int(PadAndCrop(1)(sample, Draws(row)).image.argmax())
        for row in uniforms(0, 0, range(4500), 2)
    ]

    counts = np.unique(places, return_counts=True)[1]
    assert len(counts) == 9
    assert ((counts - 500) ** 2 / 500).sum() < 26.1  # once in a thousand, 8 degrees of freedom


def test_random_resized_crops_are_distributed_as_torchvisions():
    ours, theirs = [], []
    picture = torch.zeros(3, 60, 100)
    move = RandomResizedCrop((8, 8))
    generator_state = torch.random.get_rng_state()

    torch.manual_seed(0)
    for row in uniforms(0, 0, range(3000), move.draws):
        (height, width), (top, left) = move._part((60, 100), Draws(row))
        ours.append((height, width, -top, -left))
        top, left, height, width = TorchvisionCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3])
        theirs.append((height, width, top, left))
    torch.random.set_rng_state(generator_state)

    for mine, other in zip(np.array(ours).T, np.array(theirs).T, strict=True):
        both = np.sort(np.concatenate([mine, other]))
        steps = [np.searchsorted(np.sort(one), both, side="right") / 3000 for one in (mine, other)]
        # Two-sample Kolmogorov-Smirnov distance, exceeded once in a thousand.
        assert np.abs(steps[0] - steps[1]).max() < 1.95 * np.sqrt(2 / 3000)


@pytest.mark.parametrize("size_hw", [(60, 100), (200, 1000), (900, 300)])
def test_relative_parts_are_as_wide_for_their_height_as_the_picture(size_hw):
    move = RandomResizedCrop((64, 64), area=(0.35, 1.0), relative=True)

    parts = [move._part(size_hw, Draws(row)) for row in uniforms(0, 0, range(500), move.draws)]

    own = size_hw[1] / size_hw[0]
    factors = np.array([width / height / own for (height, width), _ in parts])
    assert 0.74 < factors.min() < 0.8
    assert 1.25 < factors.max() < 1.35
    assert len({offset_yx for _, offset_yx in parts}) > 300  # a wide picture is seen everywhere


@pytest.mark.parametrize(("size_hw", "part_hw"), [((4, 400), (4, 5)), ((400, 4), (5, 4))])
def test_where_no_try_fits_the_largest_centred_part_is_taken(size_hw, part_hw):
    numbers = [0.9, 0.5] * 10 + [0.0, 0.0]

    part, offset_yx = RandomResizedCrop((8, 8))._part(size_hw, Draws(numbers))

    assert part == part_hw
    assert [-2 * offset for offset in offset_yx] == pytest.approx(
        [size - side for size, side in zip(size_hw, part_hw, strict=True)], abs=1
    )


def test_a_shrunken_picture_is_padded_with_grey_at_random_ends():
    sample = Sample(torch.zeros(1, 20, 20, dtype=torch.uint8), None, "a.png")
    move = ScaleAndCrop((20, 20), (0.5, 0.5))

    corners = set()
    for row in uniforms(0, 0, range(300), move.draws):
        image = move(sample, Draws(row)).image[0]
        assert (image == 0).sum() == 100
        assert (image == PAD_LEVEL).sum() == 300
        corners.add(int((image == 0).flatten().to(torch.uint8).argmax()))

    assert {0, 10, 200, 210} <= corners
    assert len(corners) > 80


def test_reflecting_further_than_the_picture_reaches_is_refused():
    with pytest.raises(ShapeError, match="a picture 3 pixels wide or high cannot be reflected"):
        PadAndCrop(3, "reflect")(Sample(noise(1, 3, 9), None, "a.png"), Draws([0.0, 0.0]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: HorizontalFlip(1.5), "probability 1.5 cannot be used"),
        (lambda: VerticalFlip(-0.1), "probability -0.1 cannot be used"),
        (lambda: ScaleAndCrop((8, 8), (2.0, 1.0)), "scale 2 to 1 cannot be used"),
        (lambda: RandomResizedCrop((8, 8), area=(0.5, 1.5)), "area 0.5 to 1.5 cannot be used"),
        (lambda: RandomResizedCrop((8, 8), ratio=(0.0, 1.0)), "ratio 0 to 1 cannot be used"),
        (lambda: PadAndCrop(-1), "cannot pad by -1 pixels with 'zero'"),
        (lambda: PadAndCrop(1, "wrap"), "cannot pad by 1 pixels with 'wrap'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, message):
    with pytest.raises(UsageError, match=message):
        build()
