from dataclasses import asdict, fields

import pytest
import torch

from manako.data.randomness import uniforms
from manako.data.transforms import (
    AlternatingFlip,
    AutoAugment,
    ColourJitter,
    GaussianNoise,
    HorizontalFlip,
    PadAndCrop,
    Pipeline,
    RandAugment,
    RandomAffine,
    RandomErasing,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
    augmentation,
)
from manako.data.transforms.presets import AUGMENTATIONS, TASKS, Strengths, strengths
from manako.errors import UnknownName, UsageError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, MaskTarget, Sample

PAIRS = [
    (name, task)
    for name in AUGMENTATIONS
    for task in TASKS
    if name != "characters" or task in ("classification", "multilabel")
]


def sample_of(task, size_hw, channels=3):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (channels, *size_hw), generator=generator, dtype=torch.uint8)
    height, width = size_hw
    target = {
        "classification": ClassTarget(1),
        "multilabel": LabelsTarget((0, 2)),
        "detection": BoxTargets(
            torch.tensor([[width * 0.2, height * 0.2, width * 0.7, height * 0.8]]),
            torch.tensor([2]),
        ),
        "segmentation": MaskTarget((image[0] > 100).to(torch.uint8)),
    }[task]
    return Sample(image, target, "a.png")


@pytest.mark.parametrize("rule", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("size_hw", [(32, 32), (24, 40), (96, 70)])
@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_preset_ends_in_the_size_asked_for(name, task, size_hw, rule):
    pipeline = Pipeline(augmentation(name, task, size_hw, rule, vertical_flip=True))

    for original_hw in [(32, 32), (40, 100), (9, 61)]:
        for row in uniforms(0, 0, range(3), pipeline.draws):
            for channels in (1, 3):
                sample = pipeline(sample_of(task, original_hw, channels), row)

                assert sample.image.shape == (channels, *size_hw)
                assert type(sample.target) is type(sample_of(task, (9, 9)).target)


def test_small_photos_are_shifted_by_a_sixteenth_and_mirrored_every_second_epoch():
    for task in ("classification", "multilabel"):
        assert augmentation("photo", task, (32, 32)) == (
            Resize((32, 32)),
            PadAndCrop(2, "reflect"),
            AlternatingFlip(),
        )


def test_large_photos_are_cropped_mirrored_and_recoloured():
    assert augmentation("photo", "classification", (224, 224)) == (
        RandomResizedCrop((224, 224), area=(0.35, 1.0), relative=True),
        HorizontalFlip(),
        ColourJitter(),
    )


@pytest.mark.parametrize("rule", ["letterbox", "crop"])
def test_rules_that_keep_proportions_are_trained_with_plain_proportions(rule):
    first, *_ = augmentation("photo", "classification", (224, 224), rule)

    assert first == RandomResizedCrop((224, 224), area=(0.35, 1.0))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("photo", {"magnitude": 20}, "magnitude does nothing without operations"),
        ("none", {"alternate_flip": True}, "alternate_flip does nothing without flip"),
        ("none", {"fill": "reflect"}, "fill does nothing without a shift, a rotation or a scale"),
    ],
)
def test_an_option_that_changes_nothing_is_refused(name, options, message):
    with pytest.raises(UsageError, match=message):
        augmentation(name, "classification", (32, 32), **options)


def test_dense_tasks_are_scaled_around_the_fit_of_the_rule():
    assert augmentation("photo", "detection", (300, 300), "letterbox", vertical_flip=True) == (
        ScaleAndCrop((300, 300), (0.6, 1.4), "letterbox"),
        HorizontalFlip(),
        VerticalFlip(),
        ColourJitter(),
    )
    assert augmentation("photo", "segmentation", (180, 240)) == (
        ScaleAndCrop((180, 240), (0.75, 1.5), "stretch"),
        HorizontalFlip(),
        ColourJitter(),
    )


@pytest.mark.parametrize("size_hw", [(28, 28), (105, 105)])
def test_characters_are_bent_a_little_and_never_mirrored(size_hw):
    assert augmentation("characters", "classification", size_hw) == (
        Resize(size_hw),
        RandomAffine(10, stretch=(0.85, 1.15), shear_degrees=10, shift=0.07, fill="edge"),
    )


def test_characters_can_be_mirrored_on_demand():
    plain = augmentation("characters", "classification", (28, 28))

    assert augmentation(
        "characters", "classification", (28, 28), flip=True, vertical_flip=False
    ) == (*plain, HorizontalFlip())
    assert augmentation("characters", "classification", (28, 28), vertical_flip=True) == (
        *plain,
        VerticalFlip(),
    )


def test_the_ground_of_a_character_stays_the_colour_it_is():
    for ground, ink in ((255, 0), (0, 255)):
        image = torch.full((1, 28, 28), ground, dtype=torch.uint8)
        image[:, 8:20, 10:18] = ink
        pipeline = Pipeline(augmentation("characters", "classification", (28, 28)))

        for row in pipeline.numbers(0, 0, range(20)):
            edge = pipeline(Sample(image, ClassTarget(0), "a.png"), row).image[0]
            assert (torch.stack([edge[0], edge[-1], edge[:, 0], edge[:, -1]]) == ground).all()


def test_the_policies_take_the_place_of_the_jitter():
    small, large = (32, 32), (224, 224)
    shifted = (Resize(small), PadAndCrop(2, "reflect"), AlternatingFlip())
    cropped = (RandomResizedCrop(large, area=(0.35, 1.0), relative=True), HorizontalFlip())

    assert augmentation("randaugment", "classification", small) == (*shifted, RandAugment(2, 9))
    assert augmentation("randaugment", "classification", large) == (*cropped, RandAugment(2, 9))
    assert augmentation("autoaugment", "multilabel", small) == (*shifted, AutoAugment("cifar10"))
    assert augmentation("autoaugment", "classification", large) == (
        *cropped,
        AutoAugment("imagenet"),
    )
    assert augmentation("autoaugment", "detection", large) == (
        ScaleAndCrop(large, (0.6, 1.4)),
        HorizontalFlip(),
        AutoAugment("imagenet"),
    )


def test_each_option_adds_or_changes_its_transform():
    def of(**options):
        return augmentation("none", "classification", (64, 64), **options)[1:]

    assert of() == ()
    assert of(flip=True, vertical_flip=True) == (HorizontalFlip(), VerticalFlip())
    assert of(flip=1.0, alternate_flip=True) == (AlternatingFlip(),)
    assert of(shift=0.1) == (PadAndCrop(6, "edge"),)
    assert of(shift=0.1, rotate_degrees=5, fill="zero") == (
        RandomAffine(5, shift=0.1, fill="zero"),
    )
    assert of(min_scale=0.8, max_scale=1.1) == (RandomAffine(scale=(0.8, 1.1), fill="edge"),)
    assert of(stretch=0.25) == (RandomAffine(stretch=(0.75, 1.25), fill="edge"),)
    assert of(shear_degrees=8) == (RandomAffine(shear_degrees=8, fill="edge"),)
    assert of(brightness=0.1, hue=0.2) == (ColourJitter(0.1, 0, 0, 0.2),)
    assert of(contrast=0.1, saturation=0.3) == (ColourJitter(0, 0.1, 0.3),)
    assert of(noise=4) == (GaussianNoise(4),)
    assert of(erase=0.3) == (RandomErasing(0.3),)
    assert of(operations=3.0, magnitude=20) == (RandAugment(3, 20),)
    assert of(policy="svhn") == (AutoAugment("svhn"),)
    assert augmentation("photo", "classification", (96, 96), min_area=0.5, flip=False) == (
        RandomResizedCrop((96, 96), area=(0.5, 1.0), relative=True),
        ColourJitter(),
    )


def test_scales_of_dense_tasks_are_those_of_the_crop():
    moves = augmentation(
        "photo", "segmentation", (96, 96), min_scale=1, max_scale=1, rotate_degrees=5
    )

    assert moves[:2] == (Resize((96, 96)), RandomAffine(5, fill="zero"))
    assert augmentation("none", "detection", (96, 96), max_scale=2) == (
        ScaleAndCrop((96, 96), (1.0, 2.0)),
    )


def test_the_numbers_of_a_preset_can_be_stored_and_given_back():
    for name, task in PAIRS:
        numbers = asdict(strengths(name, task, (32, 32)))

        assert augmentation("none", task, (32, 32), **numbers) == augmentation(name, task, (32, 32))
    assert strengths("none", "detection", (9, 9)) == Strengths()


@pytest.mark.parametrize("task", TASKS)
def test_none_lays_pictures_by_the_rule_alone(task):
    assert augmentation("none", task, (60, 40), "crop") == (Resize((60, 40), "crop"),)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="no augmentation 'foto'; did you mean 'photo'"):
        augmentation("foto", "classification", (8, 8))
    with pytest.raises(UnknownName, match="no task 'detect'; did you mean 'detection'"):
        augmentation("photo", "detect", (8, 8))
    with pytest.raises(UnknownName, match="no augmentation option 'scale'; did you mean '"):
        augmentation("photo", "classification", (8, 8), scale=1.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 0.6}, "augmentation option shift cannot be 0.6"),
        ({"shift": -0.1}, "shift cannot be -0.1"),
        ({"rotate_degrees": float("nan")}, "rotate_degrees cannot be nan"),
        ({"noise": True}, "noise cannot be True"),
        ({"noise": "much"}, "noise cannot be 'much'"),
        ({"flip": 0.5}, "flip cannot be 0.5\n  expected: true or false"),
        ({"flip": "yes"}, "flip cannot be 'yes'"),
        ({"operations": 1.5}, "operations cannot be 1.5\n  expected: a whole number from 0 to 14"),
        ({"magnitude": 31}, "magnitude cannot be 31"),
        ({"hue": 0.7}, "hue cannot be 0.7\n  expected: a number from 0 to 0.5"),
        ({"erase": 2}, "erase cannot be 2"),
        ({"min_area": 0}, "min_area cannot be 0"),
        ({"policy": "cifar"}, "policy cannot be 'cifar'\n  expected: 'cifar10' or"),
        ({"policy": 1.0}, "policy cannot be 1.0"),
        ({"fill": "grey"}, "fill cannot be 'grey'\n  expected: 'zero' or"),
        ({"min_scale": 2}, "min_scale 2 is above max_scale 1"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        augmentation("photo", "classification", (64, 64), **options)


def test_every_number_has_a_range():
    for field in fields(Strengths):
        with pytest.raises(UsageError, match=f"augmentation option {field.name} cannot be -1"):
            Strengths().changed({field.name: -1})


def test_cutting_parts_out_is_refused_where_boxes_or_masks_are_learned():
    with pytest.raises(UsageError, match="min_area has no use in detection"):
        augmentation("photo", "detection", (64, 64), min_area=0.5)


def test_characters_are_refused_where_boxes_or_masks_are_learned():
    with pytest.raises(UsageError, match="augmentation 'characters' is not made for detection"):
        augmentation("characters", "detection", (8, 8))
