import pytest
import timm
import torch
from safetensors.torch import save_file

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS, create_model

SWINS = {
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_b": "swin_base_patch4_window7_224",
}


@pytest.mark.parametrize(
    "name", ["densenet161", "resnetv2_18", "resnetv2_50", "resnetv2_152", *SWINS]
)
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = timm.create_model(SWINS.get(name, name))
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_timm(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_swins_from_before_timm_0_9_merge_at_the_end_of_a_stage():
    with torch.device("meta"):
        new = timm.create_model(SWINS["swin_t"]).state_dict()
    old = {}
    for name, tensor in new.items():
        for stage in (1, 2, 3):
            name = name.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample")
        old[name.replace("head.fc.", "head.")] = tensor
    # What such files hold besides, computed and not learned.
    old["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49)
    old["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)

    found = from_timm(old)

    assert found.keys() == from_timm(new).keys()
    assert all(found[name] is tensor for name, tensor in from_timm(new).items())


def test_a_head_that_is_a_1x1_convolution_becomes_linear_and_keeps_its_numbers():
    head = torch.randn(5, 8, 1, 1, generator=torch.Generator().manual_seed(0))
    tensors = {"stages.0.blocks.0.conv1.weight": torch.zeros(1), "head.fc.weight": head}

    assert torch.equal(from_timm(tensors)["head.weight"], head[:, :, 0, 0])


def test_a_backbone_without_a_head_is_converted_too():
    tensors = {"stages.0.blocks.0.conv1.weight": torch.zeros(1), "norm.bias": torch.ones(1)}

    assert sorted(from_timm(tensors)) == ["backbone.layer1.0.conv1.weight", "backbone.norm.bias"]


def test_a_file_of_timm_is_read_for_other_classes_and_channels(tmp_path, capsys):
    theirs = timm.create_model("resnetv2_18", num_classes=9)
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")

    ours = create_model(
        "resnetv2_18", num_classes=4, in_channels=1, weights=f"timm:{tmp_path}/weights.safetensors"
    )

    last, first = theirs.stages[3].blocks[1].conv2.weight, theirs.stem.conv.weight
    assert torch.equal(ours.backbone.layer4[1].conv2.weight, last)
    torch.testing.assert_close(ours.backbone.conv1.weight, first.mean(1, keepdim=True) * 3)
    assert "head replaced (9 -> 4 classes)" in capsys.readouterr().err
