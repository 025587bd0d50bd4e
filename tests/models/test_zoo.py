from functools import cache

import pytest
import torch

from manako.errors import UnknownName, UsageError
from manako.models.zoo import MODELS, create_model, list_models, model_info

REFERENCE_PARAMS = {
    ("lenet5", 10, 1): 61_706,
    ("lenet5", 10, 3): 62_006,
    ("lenet5_paper", 10, 1): 60_000,
    ("resnet18", 1000, 3): 11_689_512,
    ("resnet34", 1000, 3): 21_797_672,
    ("resnet50", 1000, 3): 25_557_032,
    ("resnet101", 1000, 3): 44_549_160,
    ("resnet152", 1000, 3): 60_192_808,
    ("resnet50", 7, 1): 25_557_032 - 993 * 2049 - 2 * 64 * 49,
    ("resnet20", 10, 3): 269_722,
    ("resnet20", 100, 3): 275_572,
    ("resnet32", 10, 3): 464_154,
    ("resnet32", 100, 3): 470_004,
    ("resnet44", 10, 3): 658_586,
    ("resnet44", 100, 3): 664_436,
    ("resnet56", 10, 3): 853_018,
    ("resnet56", 100, 3): 858_868,
    ("resnet110", 10, 3): 1_727_962,
    ("resnet110", 100, 3): 1_733_812,
    # Without the running statistics of the norms, which some counts include.
    ("wrn_16_8", 10, 3): 10_961_370,
    ("wrn_16_8", 100, 3): 11_007_540,
    ("wrn_28_10", 10, 3): 36_479_194,
    ("wrn_28_10", 100, 3): 36_536_884,
    ("wrn_40_1", 10, 3): 563_930,
    ("wrn_40_1", 100, 3): 569_780,
    ("wrn_40_2", 10, 3): 2_243_546,
    ("wrn_40_2", 100, 3): 2_255_156,
    ("wrn_40_4", 10, 3): 8_949_210,
    ("wrn_40_4", 100, 3): 8_972_340,
    ("wide_resnet50_2", 1000, 3): 68_883_240,
    ("wide_resnet101_2", 1000, 3): 126_886_696,
    ("vit_b_16", 1000, 3): 86_567_656,
    ("vit_b_16", 7, 1): 86_567_656 - 993 * 769 - 2 * 768 * 256,
    ("vit_b_32", 1000, 3): 88_224_232,
    ("vit_l_16", 1000, 3): 304_326_632,
    ("vit_l_32", 1000, 3): 306_535_400,
    ("vit_h_14", 1000, 3): 632_045_800,
    ("vit_tiny_patch16_224", 1000, 3): 5_717_416,
    ("vit_small_patch16_224", 1000, 3): 22_050_664,
    ("vit_small_patch32_224", 1000, 3): 22_878_952,
    # 14 x 14 - 8 x 8 positions and 990 classes less, patches of 16 x 16 - 4 x 4 pixels less.
    ("vit_tiny_patch4_32", 10, 3): 5_717_416 - 132 * 192 - 990 * 193 - 3 * 240 * 192,
    ("vit_base_r50_s16_224", 1000, 3): 98_659_112,
    ("vit_base_r50_s16_384", 1000, 3): 98_950_952,
    ("unet", 2, 1): 31_030_658,
    ("unet", 2, 3): 31_031_810,
    ("unet_bn", 10, 3): 3_791_754,
    ("unet_bn", 2, 3): 3_791_234,
}
REFERENCE_GMACS = {
    "lenet5": 0.000417,
    "resnet18": 1.81407,
    "resnet34": 3.66376,
    "resnet50": 4.08918,
    "resnet101": 7.8014,
    "resnet152": 11.5136,
    "resnet20": 0.040551,
    "resnet32": 0.068863,
    "resnet44": 0.097174,
    "resnet56": 0.125486,
    "resnet110": 0.252888,
    "wrn_16_8": 1.54815,
    "wrn_28_10": 5.24333,
    "wrn_40_1": 0.083281,
    "wrn_40_2": 0.327599,
    "wrn_40_4": 1.29858,
    "wide_resnet50_2": 11.398,
    "wide_resnet101_2": 22.7531,
    "vit_b_16": 17.5638,
    "vit_b_32": 4.40919,
    "vit_l_16": 61.5547,
    "vit_l_32": 15.3775,
    "vit_h_14": 167.295,
    "vit_tiny_patch16_224": 1.25368,
    "vit_small_patch16_224": 4.59888,
    "vit_small_patch32_224": 1.14291,
    "vit_base_r50_s16_224": 21.5354,
    "vit_base_r50_s16_384": 67.1558,
    "unet": 192.384,
    "unet_bn": 79.5408,
}


@cache
def count(name, num_classes, in_channels):
    with torch.device("meta"):
        model = MODELS[name].build(num_classes=num_classes, in_channels=in_channels)
    return sum(parameter.numel() for parameter in model.parameters())


def quick32_by_hand(num_classes, in_channels):
    stem = 8 * in_channels
    convolutions = 9 * (stem * 48 + 48 * 48 + 48 * 192 + 3 * 192 * 192)
    norms = 2 * (2 * 48 + 4 * 192)
    return stem * 4 * in_channels + convolutions + norms + 192 * num_classes


def ssd_by_hand(backbone_params, channels, num_classes, per_cell):
    extra = channels[-1] * 128 + 2 * 128 + 9 * 128 * 256 + 2 * 256
    outputs = per_cell * (num_classes + 1 + 4)
    return backbone_params + extra + sum(outputs * (9 * c + 1) for c in (*channels, 256))


@pytest.mark.parametrize(("key", "expected"), REFERENCE_PARAMS.items())
def test_a_model_has_the_parameters_of_its_reference(key, expected):
    assert count(*key) == expected


def test_the_table_states_the_true_number_of_parameters():
    for name in MODELS:
        info = model_info(name)
        assert count(name, info.num_classes, info.in_channels) == info.params


@pytest.mark.parametrize(("num_classes", "in_channels"), [(10, 3), (7, 1)])
def test_quick32_has_the_parameters_counted_by_hand(num_classes, in_channels):
    assert count("quick32", num_classes, in_channels) == quick32_by_hand(num_classes, in_channels)


def test_the_paper_lenet_costs_what_the_paper_counts_and_the_zeros_of_its_table():
    # 117,600 + 150,000 + 48,000 + 10,080 for C1, C3, C5 and F6; C3 is computed as if it were full.
    left_out = 36 * 25 * 100

    assert model_info("lenet5_paper").macs == 325_680 + left_out


@pytest.mark.parametrize("num_classes", [20, 3])
@pytest.mark.parametrize(
    ("name", "channels"),
    [(f"ssd_resnet{d}", (128, 256, 512)) for d in (18, 34)]
    + [(f"ssd_resnet{d}", (512, 1024, 2048)) for d in (50, 101, 152)],
)
def test_ssd_has_the_parameters_counted_by_hand(name, channels, num_classes):
    backbone = REFERENCE_PARAMS[name.removeprefix("ssd_"), 1000, 3] - 1000 * (channels[-1] + 1)

    assert count(name, num_classes, 3) == ssd_by_hand(backbone, channels, num_classes, per_cell=4)


@pytest.mark.parametrize(("name", "expected"), REFERENCE_GMACS.items())
def test_multiply_adds_are_those_of_the_reference(name, expected):
    assert model_info(name).macs / 1e9 == pytest.approx(
        expected, rel=2e-3 if expected < 1e-3 else 2e-5
    )


@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "quick32",
        "resnet18",
        "resnet20",
        "resnet110",
        "wrn_16_4",
        "ssd_resnet18",
        "unet_bn",
    ],
)
def test_a_fresh_model_gives_finite_output_of_moderate_size(name, random_images):
    info = model_info(name)
    size_hw = info.size_hw if max(info.size_hw) <= 32 else (64, 64)
    torch.manual_seed(0)

    model = create_model(name, num_classes=4, in_channels=info.in_channels)
    raw = model(random_images(2, info.in_channels, *size_hw))

    logits = raw.class_logits if info.task == "detection" else raw
    assert logits.isfinite().all()
    assert 0.01 < logits.std() < 20


def test_names_are_listed_by_task_and_pattern_in_the_order_of_the_table():
    assert list_models() == list(MODELS)
    assert list_models("detection") == [f"ssd_resnet{d}" for d in (18, 34, 50, 101, 152)]
    assert list_models(pattern="resnet1?") == ["resnet18"]
    assert list_models("segmentation", "*_bn") == ["unet_bn"]
    assert list_models(pattern="nothing") == []


def test_every_entry_says_where_it_comes_from():
    for name in MODELS:
        info = model_info(name)
        assert info.paper.title
        assert 1990 < info.year < 2030
        assert info.reference
        assert info.weights[0] == "recognizer"
        assert tuple(info.licences) == info.weights
        assert all(info.licences.values())


def test_info_lists_options_and_weights():
    assert model_info("ssd_resnet18").options == {"size_factor": 3.0, "wide_ratios": False}
    assert model_info("lenet5").options == {"size": 28, "activation": "tanh"}
    assert model_info("resnet18").options == {}
    assert model_info("resnet50").weights == ("recognizer", "torchvision")
    assert model_info("resnet20").weights == ("recognizer",)
    assert model_info("wide_resnet50_2").weights == ("recognizer", "torchvision")
    assert model_info("wrn_28_10").options == {"dropout": 0.0}
    assert model_info("vit_tiny_patch4_32").options == {
        **{"size": 32, "patch": 4, "pool": "class", "norm": "pre", "eps": 1e-6},
        **{"dropout": 0.0, "stochastic_depth": 0.0},
    }
    assert model_info("vit_b_16").weights == ("recognizer", "torchvision", "timm", "transformers")
    assert "ImageNet" in model_info("resnet50").licences["torchvision"]


def test_without_a_number_of_classes_there_are_those_of_the_reference():
    assert create_model("resnet20").head.out_features == 10
    assert create_model("unet_bn", width=2).head.out_channels == 10


def test_options_arrive_in_the_type_that_the_model_declares():
    model = create_model("quick32", width="16", bn_momentum=1)

    assert model.backbone.channels == {2: 16, 4: 64, 8: 64}
    assert model.backbone.stage1.bn1.momentum == 1.0
    assert create_model("lenet5", size=32).fixed_size_hw == (32, 32)
    assert create_model("wrn_16_4", dropout="0.3").backbone.layer1[0].dropout.p == 0.3


def test_the_same_seed_gives_the_same_model():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create_model("resnet20").state_dict())

    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("call", [create_model, model_info])
def test_an_unknown_name_offers_near_ones(call):
    with pytest.raises(UnknownName, match="no model 'resnet81'; did you mean 'resnet18'"):
        call("resnet81")


def test_an_unknown_task_is_refused():
    with pytest.raises(UnknownName, match="no task 'detect'; did you mean 'detection'"):
        list_models("detect")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("quick32", {"wdth": 8}, r"quick32 has no option 'wdth'\n.*options: width=48, bn_momentum"),
        ("resnet18", {"width": 8}, r"resnet18 has no option 'width'\n.*its options: none"),
        ("quick32", {"width": "wide"}, r"option width='wide' of quick32: .*valid integer"),
        ("lenet5", {"size": 30}, r"option size=30 of lenet5: .*28 or 32"),
        ("lenet5", {"num_classes": 0}, "num_classes must be 1 or more, not 0"),
        ("lenet5", {"in_channels": 0}, "in_channels must be 1 or more, not 0"),
    ],
)
def test_options_that_cannot_be_are_refused(name, options, message):
    with pytest.raises(UsageError, match=message):
        create_model(name, **options)
