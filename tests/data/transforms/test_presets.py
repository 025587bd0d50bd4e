import pytest
import torch

from manako.data.randomness import uniforms
from manako.data.transforms import (
    ColourJitter,
    HorizontalFlip,
    PadAndCrop,
    Pipeline,
    RandomResizedCrop,
    Resize,
    ScaleAndCrop,
    VerticalFlip,
    augmentation,
)
from manako.data.transforms.presets import AUGMENTATIONS
from manako.errors import UnknownName, UsageError
from manako.structures import BoxTargets, ClassTarget, MaskTarget, Sample

TASKS = ["classification", "detection", "segmentation"]
PAIRS = [
    (name, task)
    for name in AUGMENTATIONS
    for task in TASKS
    if name != "characters" or task == "classification"
]


def sample_of(task, size_hw, channels=3):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (channels, *size_hw), generator=generator, dtype=torch.uint8)
    height, width = size_hw
    target = {
        "classification": ClassTarget(1),
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


def test_small_photos_are_shifted_by_an_eighth_and_mirrored():
    assert augmentation("photo", "classification", (32, 32)) == (
        Resize((32, 32)),
        PadAndCrop(2, "reflect"),
        HorizontalFlip(),
    )


def test_large_photos_are_cropped_mirrored_and_recoloured():
    assert augmentation("photo", "classification", (224, 224)) == (
        RandomResizedCrop((224, 224), area=(0.35, 1.0)),
        HorizontalFlip(),
        ColourJitter(),
    )


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


def test_characters_are_shifted_a_little_and_never_mirrored():
    assert augmentation("characters", "classification", (28, 28)) == (
        Resize((28, 28)),
        PadAndCrop(2, "edge"),
    )


@pytest.mark.parametrize("task", TASKS)
def test_none_lays_pictures_by_the_rule_alone(task):
    assert augmentation("none", task, (60, 40), "crop") == (Resize((60, 40), "crop"),)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="no augmentation 'foto'; did you mean 'photo'"):
        augmentation("foto", "classification", (8, 8))
    with pytest.raises(UnknownName, match="no task 'detect'; did you mean 'detection'"):
        augmentation("photo", "detect", (8, 8))


def test_characters_are_refused_where_boxes_or_masks_are_learned():
    with pytest.raises(UsageError, match="augmentation 'characters' is not made for detection"):
        augmentation("characters", "detection", (8, 8))
