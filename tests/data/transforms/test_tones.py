import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from manako.data.transforms.tones import (
    autocontrasted,
    equalized,
    inverted,
    posterized,
    solarized,
)


@st.composite
def images(draw):
    """Pictures of any size with few or many levels, evenly frequent or not."""
    shape = draw(st.sampled_from([(1, 1, 1), (3, 7, 5), (1, 40, 30), (3, 64, 20), (3, 90, 90)]))
    low = draw(st.integers(0, 255))
    high = draw(st.integers(low, 255))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    share = torch.rand(shape, generator=generator) ** draw(st.sampled_from([0.3, 1, 3]))
    return (low + share * (high - low)).round().to(torch.uint8)


@given(image=images(), bits=st.integers(0, 8))
def test_posterizing_equals_torchvisions(image, bits):
    assert torch.equal(posterized(image, bits), reference.posterize(image, bits))


@given(image=images(), sixteenths=st.integers(0, 255 * 16))
def test_solarizing_equals_torchvisions(image, sixteenths):
    threshold = sixteenths / 16  # torchvision compares in float32, where others would be rounded
    assert torch.equal(solarized(image, threshold), reference.solarize(image, threshold))


@given(image=images())
def test_inverting_equals_torchvisions(image):
    assert torch.equal(inverted(image), reference.invert(image))


@given(image=images())
def test_equalizing_equals_torchvisions(image):
    assert torch.equal(equalized(image), reference.equalize(image))


@given(image=images())
def test_autocontrast_equals_torchvisions(image):
    assert torch.equal(autocontrasted(image), reference.autocontrast(image))


@pytest.mark.parametrize("low", range(0, 250, 7))
def test_autocontrast_equals_torchvisions_at_each_level_of_a_range(low):
    for high in range(low + 1, 256, 11):
        image = torch.arange(low, high + 1, dtype=torch.uint8)[None, None]

        assert torch.equal(autocontrasted(image), reference.autocontrast(image))


def test_the_picture_that_came_is_left_as_it_was():
    image = torch.arange(192, dtype=torch.uint8).view(3, 8, 8)

    for changed in (
        inverted(image),
        posterized(image, 2),
        solarized(image, 100),
        equalized(image),
        autocontrasted(image),
    ):
        assert changed.dtype == torch.uint8
        assert changed.data_ptr() != image.data_ptr()
    assert torch.equal(image, torch.arange(192, dtype=torch.uint8).view(3, 8, 8))


def test_pictures_that_are_views_are_changed_as_well():
    image = torch.arange(192, dtype=torch.uint8).view(3, 8, 8).transpose(1, 2)[:, 1:]

    assert torch.equal(equalized(image), reference.equalize(image))
    assert torch.equal(autocontrasted(image), reference.autocontrast(image))
