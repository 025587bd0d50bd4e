import pytest
import torch
from torch import nn

from manako.models.protocols import Staged
from manako.models.stages import belongs, modules_of_stage, parameters_of_stage
from manako.models.zoo import MODELS, model_info


def build_without_values(name):
    with torch.device("meta"):
        return MODELS[name].build(num_classes=3, in_channels=3)


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_of_every_model_belongs_to_exactly_one_stage(name):
    model = build_without_values(name)

    assert isinstance(model, Staged)
    stages = model.stages()
    for tensor in model.state_dict():
        assert sum(belongs(tensor, stage) for stage in stages) == 1, tensor
    for stage in stages:
        assert modules_of_stage(model, stage)
        assert any(belongs(tensor, stage) for tensor in model.state_dict()), stage


@pytest.mark.parametrize("name", MODELS)
def test_the_last_stage_holds_what_depends_on_the_classes(name):
    model = build_without_values(name)

    assert all(belongs(tensor, model.stages()[-1]) for tensor in model.class_rows())


@pytest.mark.parametrize("name", MODELS)
def test_stages_stand_in_the_order_of_the_computation(name):
    model = build_without_values(name).eval()
    info = model_info(name)
    reached = []
    for number, stage in enumerate(model.stages()):
        for part in modules_of_stage(model, stage):
            for module in part.modules():
                module.register_forward_hook(lambda *_, number=number: reached.append(number))

    model(torch.zeros(1, 3, *info.size_hw, device="meta"))

    assert reached == sorted(reached)
    assert set(reached) == set(range(len(model.stages())))


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", 6),
        ("resnet20", 5),
        ("convnext_tiny", 6),
        ("poolformer_s12", 6),
        ("quick32", 5),
        ("vit_b_16", 1 + 12 + 1),
        ("vit_h_14", 1 + 32 + 1),
        ("vit_base_r50_s16_224", 4 + 1 + 12 + 1),
        ("lenet5", 5),
        ("swin_t", 6),
        ("swin_t_32", 5),
        ("densenet121", 6),
        ("densenet_bc_100_12", 5),
        ("preact_resnet164", 5),
        ("resnetv2_50", 6),
        ("googlenet", 6),
        ("mobilenetv1_100", 7),
        ("efficientnet_b0", 10),
        ("ssd_resnet18", 6),
        ("alexnet", 8),
        ("alexnet_paper", 8),
        ("vgg16", 8),
        ("all_cnn_c", 4),
        ("spp_zf5", 8),
        ("unet", 6),
        ("unet_bn", 5),
    ],
)
def test_a_model_has_the_stages_of_its_paper(name, stages):
    assert len(build_without_values(name).stages()) == stages


def test_parameters_of_a_stage_include_those_never_trained():
    model = build_without_values("quick32")

    assert list(parameters_of_stage(model, model.stages()[0])) == ["backbone.stem.weight"]


def test_a_name_that_only_begins_alike_is_another_part():
    model = nn.ModuleDict({"conv1": nn.Linear(1, 1), "conv10": nn.Linear(1, 1)})

    assert list(parameters_of_stage(model, ("conv1",))) == ["conv1.weight", "conv1.bias"]
    assert modules_of_stage(model, ("conv10",)) == [model["conv10"]]
