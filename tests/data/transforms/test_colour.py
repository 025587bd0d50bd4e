import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import ColourJitter
from manako.data.transforms.colour import (
    with_brightness,
    with_contrast,
    with_hue,
    with_saturation,
    with_sharpness,
)
from manako.errors import UsageError
from manako.structures import BoxTargets, ClassTarget, Sample


def noise(channels):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (channels, 20, 30), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.7])
@pytest.mark.parametrize(
    ("ours", "theirs", "channels"),
    [
        (with_brightness, reference.adjust_brightness_image, 3),
        (with_brightness, reference.adjust_brightness_image, 1),
        (with_contrast, reference.adjust_contrast_image, 3),
        (with_contrast, reference.adjust_contrast_image, 1),
        (with_saturation, reference.adjust_saturation_image, 3),
        (with_sharpness, reference.adjust_sharpness_image, 3),
        (with_sharpness, reference.adjust_sharpness_image, 1),
    ],
)
def test_each_change_equals_torchvisions(ours, theirs, channels, factor):
    levels = noise(channels).float()

    changed = ours(levels, factor)

    assert (changed - theirs(levels / 255, factor) * 255).abs().max() < 1e-2
    # torchvision's integer arithmetic drops fractions twice.
    assert (changed - theirs(noise(channels), factor).float()).abs().max() < 2


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 9), (9, 2), (3, 3)])
def test_sharpness_of_pictures_without_an_inside_stays(size_hw):
    levels = noise(3).float()[:, : size_hw[0], : size_hw[1]]

    changed = with_sharpness(levels, 1.8)

    expected = reference.adjust_sharpness_image(levels / 255, 1.8) * 255
    assert (changed - expected).abs().max() < 1e-2


@pytest.mark.parametrize("turn", [-0.3, 0.1, 0.5])
def test_turning_the_hue_equals_torchvisions(turn):
    levels = noise(3).float()

    assert (
        with_hue(levels, turn) / 255 - reference.adjust_hue_image(levels / 255, turn)
    ).abs().max() < 1e-5


def test_the_changes_come_in_the_order_stated():
    jitter = ColourJitter(0.4, 0.3, 0.5, 0.1)
    sample = Sample(noise(3), ClassTarget(1), "a.png")

    image = jitter(sample, Draws([0.0, 0.9, 0.1, 0.75])).image

    levels = with_contrast(with_brightness(noise(3).float(), 0.6), 1.24)
    levels = with_hue(with_saturation(levels, 0.6), 0.05)
    assert (image.float() - levels).abs().max() <= 0.51


def test_factors_are_never_below_zero():
    sample = Sample(noise(3), None, "a.png")

    dark = ColourJitter(brightness=2.0, contrast=0, saturation=0)(sample, Draws([0.0] * 4))

    assert (dark.image == 0).all()


def test_jitter_without_strength_changes_nothing():
    sample = Sample(noise(3), None, "a.png")

    assert torch.equal(ColourJitter(0, 0, 0)(sample, Draws([0.7] * 4)).image, sample.image)


def test_grey_pictures_keep_one_channel_and_lack_saturation_and_hue():
    sample = Sample(noise(1), None, "a.png")

    coloured = ColourJitter(0, 0, 0.9, 0.5)(sample, Draws([0.1] * 4))
    darker = ColourJitter(0.5, 0, 0)(sample, Draws([0.0] * 4))

    assert torch.equal(coloured.image, sample.image)
    assert (darker.image.float() - sample.image.float() / 2).abs().max() <= 0.5


def test_colours_change_and_the_truth_does_not():
    target = BoxTargets(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([0]))
    sample = Sample(noise(3), target, "a.png")

    images = [
        ColourJitter()(sample, Draws(row)) for row in uniforms(0, 0, range(3), ColourJitter.draws)
    ]

    assert all(one.target is target and one.image.dtype == torch.uint8 for one in images)
    assert len({one.image.float().mean().item() for one in images}) == 3
    assert torch.equal(sample.image, noise(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"brightness": -1}, "brightness -1 is below 0"),
        ({"contrast": -0.5}, "contrast -0.5 is below 0"),
        ({"saturation": -2}, "saturation -2 is below 0"),
        ({"hue": 0.6}, "hue 0.6 cannot be used"),
        ({"hue": -0.1}, "hue -0.1 cannot be used"),
    ],
)
def test_strengths_out_of_range_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        ColourJitter(**settings)
