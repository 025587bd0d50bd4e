import pytest
import timm
import torch

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS

SWINS = {
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_b": "swin_base_patch4_window7_224",
}


@pytest.mark.parametrize(("name", "theirs"), SWINS.items())
def test_every_tensor_of_timm_finds_its_place_and_shape(name, theirs):
    with torch.device("meta"):
        state = timm.create_model(theirs).state_dict()
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_timm(state)

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
