import math

import numpy as np
import pytest
import torch

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import GaussianNoise, RandomErasing
from manako.errors import UsageError
from manako.structures import IGNORE, BoxTargets, MaskTarget, Sample

ENDS = (slice(0, 8), slice(-8, None))


def grey(level=128, size_hw=(100, 120), channels=3, target=None):
    image = torch.full((channels, *size_hw), level, dtype=torch.uint8)
    return Sample(image, target, "a.png")


def erased_part(before, after):
    """Top, left, height and width of what differs."""
    changed = (before.image.numpy() != after.image.numpy()).any(axis=0)
    rows, columns = (np.flatnonzero(changed.any(axis=1 - axis)) for axis in (0, 1))
    return int(rows[0]), int(columns[0]), len(rows), len(columns)


@pytest.mark.parametrize("std", [3.0, 12.0])
def test_noise_has_the_mean_and_deviation_of_a_normal_distribution(std):
    noise = GaussianNoise(std)(grey(), Draws([0.2, 0.7])).image.double() - 128

    count = noise.numel()
    assert abs(noise.mean()) < 4 * std / math.sqrt(count)
    # Rounding to whole levels adds 1/12 to the variance.
    assert noise.var() == pytest.approx(std**2 + 1 / 12, rel=4 * math.sqrt(2 / count))
    for deviations, share in ((1, 0.6827), (2, 0.9545)):
        limit = round(deviations * std) + 0.5
        expected = math.erf(limit / std / math.sqrt(2))
        assert (noise.abs() < limit).double().mean() == pytest.approx(expected, abs=0.01)
        assert expected == pytest.approx(share, abs=0.1)


def test_noise_differs_from_value_to_value_and_from_channel_to_channel():
    noise = GaussianNoise(10)(grey(), Draws([0.2, 0.7])).image.double() - 128

    flat = noise.reshape(3, -1)
    neighbours = torch.stack([noise[:, :, 1:].reshape(-1), noise[:, :, :-1].reshape(-1)])
    assert (torch.corrcoef(flat) - torch.eye(3)).abs().max() < 0.04
    assert abs(torch.corrcoef(neighbours)[0, 1]) < 0.03


def test_noise_is_a_function_of_its_two_numbers():
    one, same, other, third = (
        GaussianNoise(10)(grey(), Draws(numbers)).image
        for numbers in ([0.2, 0.7], [0.2, 0.7], [0.2, 0.7 + 2**-32], [0.2 + 2**-32, 0.7])
    )

    assert torch.equal(one, same)
    for image in (other, third):
        assert (image != one).float().mean() > 0.9


def test_the_field_of_noise_stays_the_same_in_every_version():
    noise = GaussianNoise(10)(grey(size_hw=(2, 4), channels=1), Draws([0.25, 0.5])).image

    assert noise.flatten().tolist() == [121, 145, 125, 122, 144, 121, 138, 105]


def test_levels_end_at_black_and_white():
    for level in (0, 255):
        image = GaussianNoise(60)(grey(level), Draws([0.2, 0.7])).image

        assert (image == level).float().mean() == pytest.approx(0.5, abs=0.02)
        assert (image.int() - level).abs().float().mean() == pytest.approx(24, abs=1.5)


def test_noise_without_strength_changes_nothing():
    assert torch.equal(GaussianNoise(0)(grey(), Draws([0.1, 0.2])).image, grey().image)


def test_erased_parts_have_the_areas_and_ratios_asked_for():
    move = RandomErasing(1.0, area=(0.05, 0.2), ratio=(0.5, 2.0))

    sample, areas, ratios = grey(channels=1), [], []
    for row in uniforms(0, 0, range(300), move.draws):
        _, _, height, width = erased_part(sample, move(sample, Draws(row)))
        areas.append(height * width / 12_000)
        ratios.append(height / width)

    assert 0.047 < min(areas) < 0.07 < 0.18 < max(areas) < 0.21
    assert np.mean(areas) == pytest.approx(0.125, abs=0.012)
    assert 0.48 < min(ratios) < 0.6 < 1.7 < max(ratios) < 2.1
    assert np.median(ratios) == pytest.approx(1, abs=0.15)


def test_a_part_is_erased_with_its_probability_and_anywhere():
    move = RandomErasing(0.25)
    sample, changed = grey(channels=1), np.zeros((100, 120))

    count = 0
    for row in uniforms(0, 0, range(600), move.draws):
        after = move(sample, Draws(row))
        if after is not sample:
            count += 1
            top, left, height, width = erased_part(sample, after)
            changed[top : top + height, left : left + width] += 1

    assert abs(count - 150) < 4 * math.sqrt(600 * 0.25 * 0.75)
    assert (changed > 0).mean() > 0.97
    assert min(changed[rows, columns].max() for rows in ENDS for columns in ENDS) > 0


def test_a_part_is_filled_with_all_levels_alike_or_with_the_mean_colour():
    image = torch.arange(3)[:, None, None] * 50 + torch.zeros(3, 100, 120)
    sample = Sample(image.to(torch.uint8), None, "a.png")
    numbers = [0.0, 0.5, 0.5, 0.5, 0.5, 0.1, 0.9]

    noisy, mean = (
        RandomErasing(1.0, (0.3, 0.4), fill=fill)(sample, Draws(numbers))
        for fill in ("noise", "mean")
    )

    assert torch.equal(mean.image, sample.image)  # each channel is its own mean
    top, left, height, width = erased_part(sample, noisy)
    inside = noisy.image[:, top : top + height, left : left + width]
    counts = torch.bincount(inside.flatten(), minlength=256).double()
    expected = inside.numel() / 256
    assert ((counts - expected) ** 2 / expected).sum() < 330.5  # 255 degrees of freedom, 1 in 1000


def test_what_is_erased_is_unknown_in_a_mask_and_still_asked_for_in_boxes():
    boxes = BoxTargets(torch.tensor([[1.0, 2.0, 90.0, 80.0]]), torch.tensor([0]))
    mask = MaskTarget(torch.zeros(100, 120, dtype=torch.uint8))
    numbers = uniforms(0, 0, [0], RandomErasing.draws)[0]

    seen = RandomErasing(1.0)(grey(target=mask), Draws(numbers))
    found = RandomErasing(1.0)(grey(target=boxes), Draws(numbers))

    top, left, height, width = erased_part(grey(), seen)
    unknown = torch.zeros(100, 120, dtype=torch.bool)
    unknown[top : top + height, left : left + width] = True
    assert torch.equal(seen.target.mask == IGNORE, unknown)
    assert found.target is boxes
    assert (mask.mask == 0).all()


def test_a_picture_too_small_for_a_part_is_left_alone():
    sample = grey(size_hw=(1, 1))

    assert RandomErasing(1.0)(sample, Draws([0.0] + [0.5] * 24)) is sample


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GaussianNoise(-1), "noise -1 cannot be used"),
        (lambda: GaussianNoise(math.nan), "noise nan cannot be used"),
        (lambda: RandomErasing(1.1), "probability 1.1 cannot be used"),
        (lambda: RandomErasing(area=(0.1, 1.5)), "area 0.1 to 1.5 cannot be used"),
        (lambda: RandomErasing(ratio=(0.0, 1.0)), "ratio 0 to 1 cannot be used"),
        (lambda: RandomErasing(fill="black"), "fill 'black' is not known"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, message):
    with pytest.raises(UsageError, match=message):
        build()
