import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import Mixing
from manako.data.transforms.mixing import beta_quantile
from manako.errors import UsageError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, MixedTarget, Sample


def picture(level, label=0, size_hw=(20, 30)):
    image = torch.full((3, *size_hw), level, dtype=torch.uint8)
    return Sample(image, ClassTarget(label), f"{level}.png")


def noise(seed, label):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, 20, 30), generator=generator, dtype=torch.uint8)
    return Sample(image, ClassTarget(label), f"{seed}.png")


def test_mixup_is_the_weighted_mean_of_both():
    one, other = noise(0, 4), noise(1, 7)

    mixed = Mixing(mixup=1.0)(one, other, Draws([0.9, 0.3]))

    expected = 0.3 * one.image.double() + 0.7 * other.image.double()
    assert (mixed.image.double() - expected).abs().max() <= 0.5 + 1e-4
    assert mixed.target == MixedTarget(4, 7, 0.3)
    assert mixed.name == "0.png"


@given(numbers=st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4))
def test_the_share_of_cutmix_is_that_of_the_pixels_left(numbers):
    one, other = picture(10, 1), picture(200, 2)

    mixed = Mixing(cutmix=0.7)(one, other, Draws(numbers))

    from_other = mixed.image[0] == 200
    assert mixed.target.share == pytest.approx(float((~from_other).double().mean()), abs=1e-12)
    rows, columns = from_other.any(dim=1), from_other.any(dim=0)
    assert torch.equal(from_other, rows[:, None] & columns[None])  # a rectangle
    assert len(torch.unique_consecutive(rows)) <= 3  # without gaps
    assert len(torch.unique_consecutive(columns)) <= 3
    assert (mixed.image == mixed.image[:1]).all()


def test_what_cutmix_pastes_keeps_its_place():
    one, other = noise(0, 1), noise(1, 2)

    mixed = Mixing(cutmix=1.0)(one, other, Draws([0.0, 0.75, 0.5, 0.5]))

    # A quarter is pasted: half of each side, around the centre.
    expected = one.image.clone()
    expected[:, 5:15, 8:23] = other.image[:, 5:15, 8:23]
    assert torch.equal(mixed.image, expected)
    assert mixed.target == MixedTarget(1, 2, 0.75)


def test_a_rectangle_at_the_border_is_cut_off_and_counts_less():
    mixed = Mixing(cutmix=1.0)(picture(0), picture(255), Draws([0.0, 0.75, 0.0, 0.0]))

    assert 0.93 < mixed.target.share < 0.95
    assert (mixed.image[0, :5, :7] == 255).all()


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
def test_shares_are_beta_distributed(alpha):
    numbers = uniforms(0, 0, range(2000), 4)

    shares = [
        Mixing(mixup=alpha)(picture(0), picture(1), Draws(row)).target.share for row in numbers
    ]

    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


@given(draw=st.integers(0, 2**32 - 1), alpha=st.floats(0.001, 1000))
def test_every_share_is_a_share(draw, alpha):
    assert 0 <= beta_quantile(draw / 2**32, alpha) <= 1


def test_both_ways_are_taken_equally_often():
    one, other = picture(0), picture(200)

    blends = 0
    for row in uniforms(0, 0, range(1000), 4):
        levels = Mixing(mixup=5.0, cutmix=5.0)(one, other, Draws(row)).image.unique().tolist()
        blends += levels not in ([0], [200], [0, 200])

    assert abs(blends - 500) < 4 * math.sqrt(250)


def test_both_pictures_stay_as_they_were():
    one, other = noise(0, 1), noise(1, 2)

    for row in uniforms(0, 0, range(20), 4):
        Mixing(1.0, 1.0)(one, other, Draws(row))

    assert torch.equal(one.image, noise(0, 1).image)
    assert torch.equal(other.image, noise(1, 2).image)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "a.png has no truth and cannot be mixed"),
        (LabelsTarget((1,)), "a.png has a LabelsTarget and cannot be mixed"),
        (
            BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
            "a.png has a BoxTargets and cannot be mixed",
        ),
    ],
)
def test_only_pictures_of_one_class_can_be_mixed(target, message):
    sample = Sample(picture(0).image, target, "a.png")

    for pair in ((sample, picture(0)), (picture(0), sample)):
        with pytest.raises(UsageError, match=message):
            Mixing(mixup=0.2)(*pair, Draws([0.5] * 4))


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ((-0.1, 0.0), "mixup -0.1 cannot be used"),
        ((0.2, math.inf), "cutmix inf cannot be used"),
        ((math.nan, 0.2), "mixup nan cannot be used"),
        ((0.0, 0.0), "neither mixup nor cutmix is above 0"),
    ],
)
def test_alphas_that_make_no_sense_are_refused(alphas, message):
    with pytest.raises(UsageError, match=message):
        Mixing(*alphas)
