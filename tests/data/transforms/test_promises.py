"""What every transform promises."""

from dataclasses import is_dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manako.data import transforms
from manako.data.randomness import Draws, uniforms
from manako.data.transforms import (
    AlternatingFlip,
    AutoAugment,
    ColourJitter,
    GaussianNoise,
    HorizontalFlip,
    PadAndCrop,
    RandAugment,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
)
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, MaskTarget, Sample

ALL = [
    AlternatingFlip(),
    AutoAugment("imagenet"),
    AutoAugment("cifar10"),
    AutoAugment("svhn"),
    ColourJitter(0.3, 0.3, 0.3, 0.1),
    GaussianNoise(20),
    HorizontalFlip(),
    PadAndCrop(3, "reflect"),
    RandAugment(3, 20),
    RandomAffine(20, (0.6, 1.5), (0.8, 1.2), 15, 0.2),
    RandomAffine(20, fill="edge"),
    RandomAffine(20, fill="reflect"),
    RandomCrop((12, 20)),
    RandomErasing(0.7),
    RandomErasing(0.7, fill="mean"),
    RandomResizedCrop((12, 20)),
    Resize((12, 20)),
    ScaleAndCrop((12, 20), (0.3, 3.0)),
    VerticalFlip(),
]
every_transform = pytest.mark.parametrize("transform", ALL, ids=str)
MOST_DRAWS = max(transform.draws for transform in ALL)
numbers = st.lists(st.floats(0, 1, exclude_max=True), min_size=MOST_DRAWS, max_size=MOST_DRAWS)
sizes_hw = st.sampled_from([(16, 24), (40, 31), (5, 60), (4, 4)])


def sample_of(size_hw, kind="nothing", channels=3):
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (channels, *size_hw), generator=generator, dtype=torch.uint8)
    height, width = size_hw
    target = {
        "nothing": None,
        "class": ClassTarget(3),
        "labels": LabelsTarget((0, 4)),
        "mask": MaskTarget(image[0] // 100),
        "boxes": BoxTargets(
            torch.tensor([[0.0, 0.0, width, height], [width / 3, 1.0, width / 2, height - 1.0]]),
            torch.tensor([2, 5]),
            torch.tensor([False, True]),
        ),
    }[kind]
    return Sample(image, target, "a.png")


def truth_of(target):
    """A truth as plain values."""
    match target:
        case MaskTarget(mask):
            return mask.tolist()
        case BoxTargets():
            return target.boxes_xyxy.tolist(), target.labels.tolist(), target.ignored_mask.tolist()
    return target


def test_no_transform_is_forgotten():
    offered = {getattr(transforms, name) for name in transforms.__all__}
    classes = {one for one in offered if is_dataclass(one) and hasattr(one, "draws")}

    assert classes - {transforms.Pipeline, transforms.Mixing} == {type(one) for one in ALL}


@every_transform
@settings(max_examples=30)
@given(numbers=numbers, size_hw=sizes_hw)
def test_a_transform_takes_no_more_numbers_than_it_says(transform, numbers, size_hw):
    image = transform(sample_of(size_hw), Draws(numbers[: transform.draws])).image

    assert image.dtype == torch.uint8
    assert len(image) == 3


@every_transform
@pytest.mark.parametrize("kind", ["class", "labels", "mask", "boxes"])
def test_the_truth_stays_of_its_kind_and_inside_the_picture(transform, kind):
    for row in uniforms(4, 0, range(10), transform.draws):
        changed = transform(sample_of((16, 24), kind), Draws(row))

        assert changed.name == "a.png"
        assert type(changed.target) is type(sample_of((16, 24), kind).target)
        if kind in ("class", "labels"):
            assert changed.target == sample_of((16, 24), kind).target
        if kind == "boxes":
            height, width = changed.size_hw
            boxes = changed.target.boxes_xyxy
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([width, height, width, height])).all()
            assert (boxes[:, 2:] - boxes[:, :2] > 0).all()
            assert set(changed.target.labels.tolist()) <= {2, 5}


@every_transform
@pytest.mark.parametrize("kind", ["mask", "boxes"])
def test_the_same_numbers_give_the_same_bytes(transform, kind):
    for row in uniforms(5, 0, range(5), transform.draws):
        one, other = (transform(sample_of((16, 24), kind), Draws(row)) for _ in range(2))

        assert torch.equal(one.image, other.image)
        assert truth_of(one.target) == truth_of(other.target)


@every_transform
@pytest.mark.parametrize("kind", ["mask", "boxes"])
def test_the_sample_that_came_is_left_as_it_was(transform, kind):
    sample, twin = sample_of((16, 24), kind), sample_of((16, 24), kind)

    for row in uniforms(6, 0, range(10), transform.draws):
        transform(sample, Draws(row))

    assert torch.equal(sample.image, twin.image)
    assert truth_of(sample.target) == truth_of(twin.target)


@every_transform
def test_grey_pictures_stay_grey(transform):
    for row in uniforms(7, 0, range(10), transform.draws):
        assert len(transform(sample_of((16, 24), channels=1), Draws(row)).image) == 1
