from functools import cache

import pytest
import torch

from manako.errors import UnknownName, UsageError
from manako.models.zoo import MODELS, create_model, list_models, model_info
from manako.structures import ClassRaw

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
    ("swin_t", 1000, 3): 28_288_354,
    ("swin_s", 1000, 3): 49_606_258,
    ("swin_b", 1000, 3): 87_768_224,
    ("swin_t", 7, 1): 28_288_354 - 993 * 769 - 2 * 96 * 16,
    ("densenet121", 1000, 3): 7_978_856,
    ("densenet161", 1000, 3): 28_681_000,
    ("densenet169", 1000, 3): 14_149_480,
    ("densenet201", 1000, 3): 20_013_928,
    ("densenet_40_12", 10, 3): 1_019_722,
    ("densenet_40_12", 100, 3): 1_060_132,
    ("densenet_100_12", 10, 3): 6_979_642,
    ("densenet_100_12", 100, 3): 7_084_852,
    ("densenet_100_24", 10, 3): 27_249_082,
    ("densenet_100_24", 100, 3): 27_457_972,
    ("densenet_bc_40_12", 10, 3): 176_122,
    ("densenet_bc_40_12", 100, 3): 188_092,
    ("densenet_bc_100_12", 10, 3): 769_162,
    ("densenet_bc_100_12", 100, 3): 800_032,
    ("densenet_bc_190_40", 10, 3): 25_624_430,
    ("densenet_bc_190_40", 100, 3): 25_821_620,
    ("densenet_bc_250_24", 10, 3): 15_324_406,
    ("densenet_bc_250_24", 100, 3): 15_480_556,
    # That of resnet110: the norm of the stem went to the end, those of the widening units before.
    ("preact_resnet110", 10, 3): 1_727_962,
    # With the norms' scales and shifts, which the paper's 10.2 millions leave out.
    ("preact_resnet164", 10, 3): 1_703_258,
    ("preact_resnet164", 100, 3): 1_726_388,
    ("preact_resnet1001", 10, 3): 10_327_706,
    ("preact_resnet1001", 100, 3): 10_350_836,
    ("alexnet", 1000, 3): 61_100_840,
    ("alexnet_paper", 1000, 3): 60_965_224,
    ("alexnet_paper", 21, 3): 56_954_261,  # R-CNN's for the 20 classes of VOC and background
    ("vgg11", 1000, 3): 132_863_336,
    ("vgg11_bn", 1000, 3): 132_868_840,
    ("vgg13", 1000, 3): 133_047_848,
    ("vgg13_bn", 1000, 3): 133_053_736,
    ("vgg16", 1000, 3): 138_357_544,
    ("vgg16", 21, 3): 134_346_581,
    ("vgg16_bn", 1000, 3): 138_365_992,
    ("vgg19", 1000, 3): 143_667_240,
    ("vgg19_bn", 1000, 3): 143_678_248,
    ("all_cnn_c", 10, 3): 1_369_738,
    ("all_cnn_c", 100, 3): 1_387_108,
    ("spp_zf5", 1000, 3): 77_037_672,
    ("spp_zf5", 21, 3): 73_026_709,
    ("googlenet", 1000, 3): 13_004_888,
    ("googlenet_paper", 1000, 3): 13_378_280,
    ("mobilenetv1_100", 1000, 3): 4_231_976,
    ("mobilenetv1_100", 1001, 3): 4_233_001,
    ("mobilenetv1_075", 1000, 3): 2_585_560,
    ("mobilenetv1_075", 1001, 3): 2_586_329,
    ("mobilenetv1_050", 1000, 3): 1_331_592,
    ("mobilenetv1_050", 1001, 3): 1_332_105,
    ("mobilenetv1_025", 1000, 3): 470_072,
    ("mobilenetv1_025", 1001, 3): 470_329,
    ("efficientnet_b0", 1000, 3): 5_288_548,
    ("efficientnet_b1", 1000, 3): 7_794_184,
    ("efficientnet_b2", 1000, 3): 9_109_994,
    ("efficientnet_b3", 1000, 3): 12_233_232,
    ("efficientnet_b4", 1000, 3): 19_341_616,
    ("efficientnet_b5", 1000, 3): 30_389_784,
    ("efficientnet_b6", 1000, 3): 43_040_704,
    ("efficientnet_b7", 1000, 3): 66_347_960,
    ("convnext_tiny", 1000, 3): 28_589_128,
    ("convnext_small", 1000, 3): 50_223_688,
    ("convnext_base", 1000, 3): 88_591_464,
    ("convnext_large", 1000, 3): 197_767_336,
    ("convnext_tiny", 7, 1): 28_589_128 - 993 * 769 - 2 * 96 * 16,
    ("poolformer_s12", 1000, 3): 11_915_176,
    ("poolformer_s24", 1000, 3): 21_388_968,
    ("poolformer_s36", 1000, 3): 30_862_760,
    ("poolformer_s12", 7, 1): 11_915_176 - 993 * 513 - 2 * 64 * 49,
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
    "swin_t": 4.49057,
    "swin_s": 8.74088,
    "swin_b": 15.4309,
    "densenet121": 2.83416,
    "densenet161": 7.72791,
    "densenet169": 3.35984,
    "densenet201": 4.29137,
    "densenet_40_12": 0.264813,
    "densenet_100_12": 1.76952,
    "densenet_100_24": 6.88935,
    "densenet_bc_40_12": 0.072365,
    "densenet_bc_100_12": 0.28793,
    "densenet_bc_190_40": 9.30195,
    "densenet_bc_250_24": 5.41879,
    "preact_resnet110": 0.252888,
    "preact_resnet164": 0.244501,
    "preact_resnet1001": 1.48785,
    "alexnet": 0.714188,
    "alexnet_paper": 0.724407,
    "vgg11": 7.60909,
    "vgg11_bn": 7.60909,
    "vgg13": 11.3085,
    "vgg13_bn": 11.3085,
    "vgg16": 15.4703,
    "vgg16_bn": 15.4703,
    "vgg19": 19.6321,
    "vgg19_bn": 19.6321,
    "all_cnn_c": 0.270798,
    # For an answer: the auxiliary heads rest.
    "googlenet": 1.49838,
    "googlenet_paper": 1.58267,
    "mobilenetv1_100": 0.56874,
    "mobilenetv1_075": 0.3254,
    "mobilenetv1_050": 0.149497,
    "mobilenetv1_025": 0.04103,
    "efficientnet_b0": 0.385815,
    "efficientnet_b1": 0.686803,
    "efficientnet_b2": 1.08753,
    "efficientnet_b3": 1.82714,
    "efficientnet_b4": 4.39377,
    "efficientnet_b5": 10.2664,
    "efficientnet_b6": 19.0676,
    "efficientnet_b7": 37.7459,
    "convnext_tiny": 4.45553,
    "convnext_small": 8.68371,
    "convnext_base": 15.3547,
    "convnext_large": 34.3614,
    "poolformer_s12": 1.81227,
    "poolformer_s24": 3.39221,
    "poolformer_s36": 4.97215,
    "metaformer_s12": 1.81227,
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
        "swin_t_32",
        "densenet121",
        "densenet_40_12",
        "densenet_bc_100_12",
        "preact_resnet110",
        "resnetv2_18",
        "alexnet",
        "alexnet_paper",
        "vgg11",
        "all_cnn_c",
        "spp_zf5",
        "googlenet",
        "googlenet_paper",
        "mobilenetv1_100",
        "efficientnet_b0",
        "convnext_tiny",
        "poolformer_s12",
        "metaformer_s12",
        "ssd_resnet18",
        "unet_bn",
    ],
)
def test_a_fresh_model_gives_finite_output_of_moderate_size(name, random_images):
    info = model_info(name)
    side = max(64, info.least_side)
    size_hw = info.size_hw if max(info.size_hw) <= 32 else (side, side)
    narrow = {"hidden": 512} if "hidden" in info.options else {}
    torch.manual_seed(0)

    model = create_model(name, num_classes=4, in_channels=info.in_channels, **narrow)
    raw = model(random_images(2, info.in_channels, *size_hw))

    if info.task == "classification":
        raw = ClassRaw.of(raw)
    for logits in (raw,) if torch.is_tensor(raw) else raw.learned[:1]:
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
    factors = {"width_factor": 1.0, "depth_factor": 1.0}
    assert model_info("ssd_resnet18").options == {
        **{"size_factor": 3.0, "wide_ratios": False},
        **factors,
    }
    assert model_info("lenet5").options == {"size": 28, "activation": "tanh"}
    assert model_info("resnet18").options == factors
    assert model_info("resnet50").weights == ("recognizer", "torchvision")
    assert model_info("resnet20").weights == ("recognizer",)
    assert model_info("wide_resnet50_2").weights == ("recognizer", "torchvision")
    assert model_info("wrn_28_10").options == {"dropout": 0.0, **factors}
    assert model_info("swin_s").options == {
        "window": 7,
        "patch": 4,
        "dropout": 0.0,
        "stochastic_depth": 0.3,
        **factors,
    }
    assert model_info("swin_t").weights == ("recognizer", "torchvision", "timm", "transformers")
    assert model_info("swin_t_32").weights == ("recognizer",)
    dense = {"compression": 0.5, "dropout": 0.0}
    assert model_info("densenet121").options == {"growth_rate": 32, **dense, **factors}
    assert model_info("densenet161").options == {"growth_rate": 48, **dense, **factors}
    assert model_info("densenet_bc_100_12").options == {**dense, **factors}
    assert model_info("densenet_40_12").options == {**dense, "compression": 1.0, **factors}
    assert model_info("resnetv2_50").options == {
        **{"stochastic_depth": 0.0, "dropout": 0.0},
        **factors,
    }
    assert model_info("densenet121").weights == ("recognizer", "torchvision", "timm")
    assert model_info("resnetv2_50").weights == ("recognizer", "timm")
    assert model_info("vgg16").options == {"dropout": 0.5, "hidden": 4096, **factors}
    assert model_info("googlenet_paper").options == {
        "auxiliary": True,
        "dropout": 0.4,
        "auxiliary_dropout": 0.7,
    }
    assert model_info("googlenet_paper").weights == ("recognizer",)
    assert model_info("mobilenetv1_075").options == {"width": 0.75, "dropout": 0.0, **factors}
    assert model_info("mobilenetv1_075").weights == ("recognizer", "timm")
    assert model_info("poolformer_s12").weights == ("recognizer", "timm", "transformers")
    assert model_info("metaformer_s12").options["mixer"] == "pooling"
    assert model_info("vit_tiny_patch4_32").options == {
        **{"size": 32, "patch": 4, "pool": "class", "norm": "pre", "eps": 1e-6},
        **{"dropout": 0.0, "stochastic_depth": 0.0},
        **factors,
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
    assert not create_model("googlenet", auxiliary="false").auxiliary


def test_options_of_a_densenet_and_of_a_pre_activation_resnet_reach_their_layers():
    dense = create_model("densenet121", growth_rate="4", compression="1", dropout="0.1")
    residual = create_model("resnetv2_18", stochastic_depth="0.7", dropout="0.4")

    assert dense.backbone.channels[4] == 8 + 6 * 4
    assert dense.backbone.transition1.conv.out_channels == dense.backbone.channels[4]
    assert dense.backbone.denseblock1.denselayer1.dropout.p == 0.1
    assert residual.backbone.layer4[1].stochastic_depth.rate == 0.7
    assert residual.dropout.p == 0.4


@pytest.mark.parametrize("name", ["densenet_bc_40_12", "preact_resnet110", "resnetv2_18"])
def test_these_heads_start_with_biases_of_zero(name):
    head = create_model(name, num_classes=40).head

    assert not head.bias.any()
    if name == "resnetv2_18":
        assert head.weight.std().item() == pytest.approx(0.01, rel=0.05)


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
        ("resnet18", {"width": 8}, r"resnet18 has no option 'width'\n.*its options: width_f"),
        ("lenet5_paper", {"width": 8}, r"has no option 'width'\n.*its options: none"),
        ("quick32", {"width": "wide"}, r"option width='wide' of quick32: .*valid integer"),
        ("lenet5", {"size": 30}, r"option size=30 of lenet5: .*28 or 32"),
        ("lenet5", {"num_classes": 0}, "num_classes must be 1 or more, not 0"),
        ("lenet5", {"in_channels": 0}, "in_channels must be 1 or more, not 0"),
    ],
)
def test_options_that_cannot_be_are_refused(name, options, message):
    with pytest.raises(UsageError, match=message):
        create_model(name, **options)
