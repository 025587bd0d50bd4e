"""Networks made deeper and wider by factors, as compound scaling asks for them."""

from __future__ import annotations

import re

import pytest
import torch

from manako.arithmetic import arithmetic
from manako.errors import UsageError
from manako.models.layers.scaling import deepened, scaled_channels, widened
from manako.models.zoo import create_model, list_models, model_info
from manako.structures import AnchorRaw

SCALABLE = [
    name
    for name in list_models()
    if {"width_factor", "depth_factor"} <= set(model_info(name).options)
]
FAMILIES = (
    "convnext_tiny",
    "densenet121",
    "densenet_bc_100_12",
    "efficientnet_b0",
    "metaformer_s12",
    "mobilenetv1_100",
    "poolformer_s12",
    "preact_resnet110",
    "preact_resnet164",
    "resnet18",
    "resnet20",
    "resnet50",
    "resnetv2_18",
    "resnetv2_50",
    "ssd_resnet18",
    "swin_t_32",
    "vgg11",
    "vit_tiny_patch4_32",
    "wide_resnet50_2",
    "wrn_16_4",
)


def without_values(name, **options):
    with torch.device("meta"):
        return create_model(name, **options).eval()


def test_families_with_stages_have_factors():
    assert set(FAMILIES) <= set(SCALABLE)
    fixed = [name for name in list_models() if name not in SCALABLE]
    lists_of_layers = "alexnet|googlenet|lenet5|all_cnn|spp_|quick32|unet"  # and no stages
    assert [name for name in fixed if not re.match(lists_of_layers, name)] == []


@pytest.mark.parametrize("name", SCALABLE)
def test_a_factor_of_1_changes_nothing(name):
    shapes = {key: one.shape for key, one in without_values(name).state_dict().items()}
    same = without_values(name, width_factor=1.0, depth_factor=1.0).state_dict()
    assert {key: one.shape for key, one in same.items()} == shapes


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_have_the_promised_channels_at_any_factors(name):
    for width, depth in ((0.5, 0.5), (1.3, 1.0), (1.0, 1.6), (1.37, 1.2)):
        network = without_values(name, width_factor=width, depth_factor=depth)
        side = model_info(name).size_hw[0]
        images = torch.zeros(1, 3, side, side, device="meta")
        maps = network.backbone(images)
        assert {stride: one.shape[1] for stride, one in maps.items()} == dict(
            network.backbone.channels
        )
        raw = network(images)
        detects = isinstance(raw, AnchorRaw)
        logits = raw.class_logits if detects else raw
        assert logits.shape[-1] == model_info(name).num_classes + detects  # and the background


@pytest.mark.parametrize("name", FAMILIES)
def test_twice_as_wide_costs_four_times_and_twice_as_deep_twice(name):
    options = {"hidden": 64} if name == "vgg11" else {}  # the layers at the end do not scale
    plain = arithmetic(name, **options).macs
    wide = arithmetic(name, width_factor=2.0, **options).macs
    deep = arithmetic(name, depth_factor=2.0, **options).macs
    assert 3.2 < wide / plain < 4.2
    assert deep / plain > 1.7
    if not name.startswith(("densenet", "vgg11")):  # whose layers cost more the more come before
        assert deep / plain < 2.45


def test_the_authors_factors_give_the_authors_networks():
    b3 = arithmetic("efficientnet_b3")
    ours = arithmetic("efficientnet_b0", input_size=(300, 300), width_factor=1.2, depth_factor=1.4)
    assert (ours.params, ours.macs) == (b3.params, b3.macs)


def test_blocks_are_rounded_up_and_channels_to_multiples_of_8():
    assert deepened((2, 2, 6, 2), 1.1) == (3, 3, 7, 3)
    assert deepened((3, 4), 1.0) == (3, 4)
    assert deepened((3, 4), 1e-9) == (1, 1)
    assert deepened((10,), 1.1) == (11,)  # 11.000000000000002 by floating point
    assert widened(37, 1.0) == 37
    assert widened(37, 2.0) == 72
    assert scaled_channels(96, 1.1, 32) == 96


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("option", ["width_factor", "depth_factor"])
def test_what_is_no_factor_is_refused(option, factor):
    with pytest.raises(UsageError, match="a network cannot be scaled by"):
        without_values("resnet18", **{option: factor})
