"""What holds for every name in the table."""

import re

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from manako.errors import ShapeError
from manako.models.protocols import WholeModel
from manako.models.zoo import MODELS, model_info
from networks import model_without_values

KINDS = [
    "lenet5",
    "lenet5_paper",
    "quick32",
    "resnet18",
    "resnet50",
    "resnet20",
    "wrn_16_4",
    "swin_t",
    "swin_t_32",
    "densenet121",
    "densenet_bc_40_12",
    "preact_resnet110",
    "resnetv2_18",
    "alexnet",
    "alexnet_paper",
    "vgg11_bn",
    "all_cnn_c",
    "spp_zf5",
    "googlenet",
    "googlenet_paper",
    "mobilenetv1_025",
    "efficientnet_b0",
    "convnext_tiny",
    "poolformer_s12",
    "vit_tiny_patch16_224",
    "vit_small_r26_s32_224",
    "ssd_resnet18",
    "unet",
    "unet_bn",
]


def small_size(name):
    if name == "vit_h_14":
        return (28, 28)
    sizes = {"classification": (32, 32), "detection": (64, 64), "segmentation": (16, 32)}
    info = model_info(name)
    if name == "lenet5" or info.least_side > 32:
        return info.least_side, info.least_side
    return sizes[info.task]


def light_options(name):
    """Options that make a large network of this kind a light one."""
    if name.startswith("unet"):
        return {"width": 16}
    return {"hidden": 64} if "hidden" in model_info(name).options else {}


@pytest.fixture(scope="module", params=KINDS)
def case(request, build, random_images):
    """One network of every kind, and two pictures for it."""
    channels = model_info(request.param).in_channels
    model = build(request.param, in_channels=channels, **light_options(request.param))
    return model, random_images(2, channels, *small_size(request.param))


def outputs(raw):
    """Everything learned that a raw output holds, as one row of numbers."""
    learned = (raw,) if torch.is_tensor(raw) else raw.learned
    return torch.cat([one.flatten() for one in learned]).float()


def answer(raw):
    """The same without what has no say in the answer."""
    return outputs(getattr(raw, "logits", raw))


def relative_difference(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", MODELS)
def test_every_name_runs_forward_and_backward(name):
    with torch.device("meta"):  # shapes without values: the largest take no longer than the least
        model = MODELS[name].build(num_classes=3, in_channels=3).train()
        images = torch.zeros(2, 3, *small_size(name), requires_grad=True)

    outputs(model(images)).sum().backward()

    assert images.grad.shape == images.shape
    for parameter_name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, parameter_name


class Recorded(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", KINDS)
def test_no_operation_is_one_that_deterministic_training_on_cuda_refuses(name):
    """See `torch.use_deterministic_algorithms`, which a run switches on: gradients are refused."""
    with torch.device("meta"):
        model = MODELS[name].build(num_classes=3, in_channels=3).train()
        images = torch.zeros(2, 3, *small_size(name))

    with Recorded() as recorded:
        outputs(model(images)).sum().backward()

    refused = r"(adaptive_|avg_pool3d|reflection_|replication_|upsample_|grid_sampler).*_backward"
    assert "convolution_backward" in recorded.names
    assert not [one for one in recorded.names if re.match("_?" + refused, one)]


def test_the_networks_tried_here_are_of_every_kind():
    kinds, tried = (
        {type(part) for name in names for part in parts_of(name)} for names in (MODELS, KINDS)
    )

    assert kinds == tried


def parts_of(name):
    """The network, and its backbone where it has one."""
    model = model_without_values(name)
    return model, getattr(model, "backbone", None)


def test_every_trained_parameter_gets_a_finite_gradient_and_twice_the_same(case):
    model, images = case
    model.train()
    runs = []

    for _ in range(2):
        model.zero_grad()
        torch.manual_seed(0)  # dropout and the like strike the same
        raw = outputs(model(images))
        (raw * torch.linspace(-1, 1, len(raw))).sum().backward()
        gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
        runs.append((raw.detach(), gradients))

    (first, gradients), (second, again) = runs
    assert torch.equal(first, second)
    for name, gradient in gradients.items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        assert torch.equal(gradient, again[name]), name
    model.zero_grad(set_to_none=True)


@torch.no_grad()
def test_training_and_evaluation_return_the_same_kind_of_thing(case):
    model, images = case

    trained, evaluated = model.train()(images), model.eval()(images)

    assert type(trained) is type(evaluated)
    assert answer(trained).shape == answer(evaluated).shape


@torch.no_grad()
def test_channels_last_changes_nothing_but_rounding(case):
    model, images = case
    model.eval()

    expected = outputs(model(images))
    model.to(memory_format=torch.channels_last)
    found = outputs(model(images.contiguous(memory_format=torch.channels_last)))

    assert relative_difference(found, expected) < 1e-4


@torch.no_grad()
def test_bfloat16_autocast_stays_near(case):
    model, images = case
    model.eval()

    expected = outputs(model(images))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = outputs(model(images))

    assert found.isfinite().all()
    assert relative_difference(found, expected) < 0.15


@torch.no_grad()
def test_pictures_of_a_batch_do_not_touch_each_other_in_evaluation(case):
    model, images = case
    model.eval()

    together = outputs(model(images))
    apart = [model(images[index : index + 1]) for index in range(2)]
    if hasattr(apart[0], "class_logits"):
        logits = torch.cat([raw.class_logits.flatten() for raw in apart])
        offsets = torch.cat([raw.offsets.flatten() for raw in apart])
        apart = torch.cat([logits, offsets])
    else:
        apart = torch.cat([outputs(raw) for raw in apart])

    assert relative_difference(apart, together) < 1e-4


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("narrow", ["height", "width"])
def test_the_least_size_works_and_one_pixel_less_is_refused_with_that_size(name, narrow):
    with torch.device("meta"):
        model = MODELS[name].build(num_classes=3, in_channels=3).eval()
    assert isinstance(model, WholeModel)
    least = model.least_side
    height, width = (least - 1, least) if narrow == "height" else (least, least - 1)

    raw = model(torch.zeros(1, 3, least, least, device="meta"))

    assert outputs(raw).numel() > 0
    assert model_info(name).least_side == least
    with pytest.raises(ShapeError) as refusal:
        model(torch.zeros(1, 3, height, width, device="meta"))
    assert f"pictures of {height} x {width} pixels" in refusal.value.what
    assert str(least) in refusal.value.expected
    assert refusal.value.fix


@torch.no_grad()
@pytest.mark.parametrize("name", KINDS)
def test_the_least_size_gives_finite_values_in_training_too(name, build, random_images):
    model = build(name, **light_options(name))

    raw = model.train()(random_images(2, 3, model.least_side, model.least_side))

    assert outputs(raw).isfinite().all()
