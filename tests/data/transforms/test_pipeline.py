import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from manako.data.randomness import uniforms
from manako.data.transforms import (
    AlternatingFlip,
    HorizontalFlip,
    PadAndCrop,
    Pipeline,
    RandomResizedCrop,
)
from manako.errors import UsageError
from manako.structures import Sample


@dataclass(frozen=True)
class Greedy:
    draws: ClassVar[int] = 1

    def __call__(self, sample, draws):
        draws.chance(0.5)
        draws.chance(0.5)
        return sample


@dataclass(frozen=True)
class Lazy:
    """Declares two numbers and takes one or none."""

    draws: ClassVar[int] = 2
    takes: int = 0

    def __call__(self, sample, draws):
        for _ in range(self.takes):
            draws.chance(0.5)
        return sample


def picture():
    return Sample(torch.arange(192, dtype=torch.uint8).view(3, 8, 8), None, "a.png")


def test_the_numbers_needed_are_the_sum_over_the_transforms():
    assert Pipeline(()).draws == 0
    assert Pipeline((HorizontalFlip(), PadAndCrop(1), RandomResizedCrop((4, 4)))).draws == 25


def test_what_one_transform_takes_does_not_shift_the_next():
    numbers = [0.1, 0.9, 0.2]

    results = [
        Pipeline((Lazy(takes), HorizontalFlip()))(picture(), numbers).image for takes in (0, 1, 2)
    ]

    assert all(torch.equal(one, picture().image.flip(-1)) for one in results)


def test_transforms_are_applied_in_their_order():
    numbers = uniforms(0, 0, [0], 3)[0]

    image = Pipeline((PadAndCrop(2), HorizontalFlip(1.0)))(picture(), numbers).image

    shifted = Pipeline((PadAndCrop(2),))(picture(), numbers[:2]).image
    assert torch.equal(image, shifted.flip(-1))
    assert not torch.equal(shifted, picture().image)


def test_a_transform_that_takes_more_than_it_says_is_refused():
    with pytest.raises(UsageError, match="a transform took more than its 1 random numbers"):
        Pipeline((Greedy(), HorizontalFlip()))(picture(), [0.1, 0.2])


def test_the_numbers_are_those_of_seed_epoch_and_index():
    pipeline = Pipeline((PadAndCrop(2), HorizontalFlip()))

    assert (pipeline.numbers(3, 7, [5, 9]) == uniforms(3, 7, [5, 9], 3)).all()


def test_alternating_flips_show_each_picture_both_ways_in_any_two_epochs():
    pipeline = Pipeline((PadAndCrop(0), AlternatingFlip(), HorizontalFlip(0.0)))

    mirrored = [
        [
            torch.equal(pipeline(picture(), row).image, picture().image.flip(-1))
            for row in pipeline.numbers(0, epoch, range(200))
        ]
        for epoch in range(5)
    ]

    for one, following in itertools.pairwise(mirrored):
        assert one == [not other for other in following]
    assert 70 < sum(mirrored[0]) < 130  # each picture starts with a coin of its own


def test_alternating_flips_leave_the_numbers_of_the_others_alone():
    transforms = (PadAndCrop(2), AlternatingFlip(), RandomResizedCrop((4, 4)))

    numbers = Pipeline(transforms).numbers(1, 6, range(30))

    plain = uniforms(1, 6, range(30), 25)
    assert (numbers[:, [0, 1, *range(3, 25)]] == plain[:, [0, 1, *range(3, 25)]]).all()
    assert (numbers[:, 2] == uniforms(1, 0, range(30), 3)[:, 2]).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
