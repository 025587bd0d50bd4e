from collections import Counter

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode

from manako.data.randomness import Draws, uniforms
from manako.data.transforms import AutoAugment, RandAugment
from manako.data.transforms.operations import AUTO_STEPS, OPERATIONS, RAND_STEPS
from manako.data.transforms.policies import POLICIES
from manako.errors import UnknownName, UsageError
from manako.structures import IGNORE, BoxTargets, MaskTarget, Sample

THEIR_NAMES = {
    "identity": "Identity",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "colour": "Color",
    "autocontrast": "AutoContrast",
}
EXACT = {"identity", "posterize", "solarize", "autocontrast", "equalize", "invert"}
EXACT |= {"translate_x", "translate_y"}
ROUNDED_TWICE = {"contrast", "colour", "sharpness"}  # by torchvision, which drops fractions


def picture(channels=3, size_hw=(27, 34)):
    generator = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(*(torch.arange(side) for side in size_hw), indexing="ij")
    waves = torch.stack([(x / (5 + c) + y / 9).sin() * 90 + 120 for c in range(channels)])
    return (waves + torch.rand(waves.shape, generator=generator)).to(torch.uint8)


def their_name(name):
    return THEIR_NAMES.get(name, name.capitalize())


def their_strength(transform, name, step, bins, size_hw):
    magnitudes, signed = transform._AUGMENTATION_SPACE[their_name(name)]
    strengths = magnitudes(bins, *size_hw)
    return (0.0 if strengths is None else float(strengths[step])), signed


def theirs(transform, name, strength, image):
    if name == "solarize":  # whole thresholds, which their float32 misses by its last bit
        return v2.functional.solarize(image, round(255 * strength, 3))
    bilinear = InterpolationMode.BILINEAR
    return transform._apply_image_or_video_transform(
        image, their_name(name), strength, interpolation=bilinear, fill={torch.Tensor: None}
    )


CASES = [(v2.RandAugment(), name, RAND_STEPS) for name in OPERATIONS if name != "invert"]
CASES += [(v2.AutoAugment(), name, AUTO_STEPS) for name in OPERATIONS if name != "identity"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("transform", "name", "steps"), CASES, ids=[f"{case[1]}-{case[2]}" for case in CASES]
)
def test_each_operation_at_each_strength_equals_torchvisions(transform, name, steps, channels):
    image = picture(channels)
    operation = OPERATIONS[name]
    most = 0 if name in EXACT else 1 + (name in ROUNDED_TWICE)

    for step in range(steps + 1):
        strength, signed = their_strength(transform, name, step, steps + 1, image.shape[1:])
        assert signed == operation.signed
        for sign in (1, -1) if signed else (1,):
            ours = operation.apply(
                Sample(image, None, "a.png"), sign * operation.strength(step, steps)
            ).image
            expected = theirs(transform, name, sign * strength, image)
            assert (ours.int() - expected.int()).abs().max() <= most, (step, sign)


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_each_policy_is_the_published_one(policy):
    published = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies

    ours = [
        tuple((their_name(name), chance, step) for name, chance, step in pair)
        for pair in POLICIES[policy]
    ]

    assert len(ours) == 25
    assert ours == [tuple((n, p, s or 0) for n, p, s in pair) for pair in published]


def sample_with(target):
    return Sample(picture(), target, "a.png")


def test_rand_augment_takes_each_of_14_operations_equally_often(monkeypatch):
    taken = Counter()
    for name, operation in OPERATIONS.items():
        monkeypatch.setitem(
            OPERATIONS, name, type(operation)(spy(name, taken), *strengths_of(operation))
        )

    for row in uniforms(0, 0, range(1400), 4):
        RandAugment(2, 15)(sample_with(None), Draws(row))

    names = Counter(name for name, _ in taken.elements())
    assert set(names) == set(OPERATIONS) - {"invert"}
    assert (
        sum((count - 200) ** 2 / 200 for count in names.values()) < 34.5
    )  # 13 d. o. f., 1 in 1000
    assert taken["rotate", 15.0] + taken["rotate", -15.0] == names["rotate"]
    assert 60 < taken["rotate", -15.0] < 140
    assert {strength for name, strength in taken if name == "posterize"} == {6.0}


def spy(name, taken):
    def apply(sample, strength):
        taken[name, round(strength, 6)] += 1
        return sample

    return apply


def strengths_of(operation):
    return operation.weakest, operation.strongest, operation.signed


def test_rand_augment_applies_its_operations_one_after_the_other():
    names = [name for name in OPERATIONS if name != "invert"]
    first, second = names.index("rotate"), names.index("solarize")

    ours = RandAugment(2, 9)(
        sample_with(None), Draws([(first + 0.5) / 14, 0.9, (second + 0.5) / 14, 0.0])
    )

    turned = OPERATIONS["rotate"].apply(sample_with(None), 9.0)
    assert torch.equal(ours.image, OPERATIONS["solarize"].apply(turned, 178.5).image)


def test_auto_augment_applies_a_pair_with_its_probabilities(monkeypatch):
    taken = Counter()
    for name, operation in OPERATIONS.items():
        monkeypatch.setitem(
            OPERATIONS, name, type(operation)(spy(name, taken), *strengths_of(operation))
        )

    move = AutoAugment("svhn")
    for row in uniforms(0, 0, range(2500), move.draws):
        move(sample_with(None), Draws(row))

    expected = Counter()
    for pair in POLICIES["svhn"]:
        for name, probability, _ in pair:
            expected[name] += 2500 / 25 * probability
    seen = Counter(name for name, _ in taken.elements())
    for name, count in expected.items():
        assert abs(seen[name] - count) < 4.5 * count**0.5 + 1, name


def test_boxes_and_masks_move_with_the_picture():
    mask = torch.zeros(27, 34, dtype=torch.uint8)
    boxes = BoxTargets(torch.tensor([[12.0, 10.0, 20.0, 20.0]]), torch.tensor([1]))

    shifted = OPERATIONS["translate_x"].apply(sample_with(boxes), 10 / 34)
    turned = OPERATIONS["rotate"].apply(sample_with(MaskTarget(mask)), 30)

    assert shifted.target.boxes_xyxy.tolist() == [[22.0, 10.0, 30.0, 20.0]]
    assert (turned.target.mask == IGNORE).float().mean() > 0.1
    assert ((turned.image == 0).all(dim=0) <= (turned.target.mask == IGNORE)).all()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="magnitude 31 cannot be used"):
        RandAugment(2, 31)
    with pytest.raises(UsageError, match="operations -1 cannot be used"):
        RandAugment(-1)
    with pytest.raises(UnknownName, match="no policy 'cifar'; did you mean 'cifar10'"):
        AutoAugment("cifar")
