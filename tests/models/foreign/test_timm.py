import pytest
import timm
import torch
from safetensors.torch import save_file

from manako.errors import ArtefactError
from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS, create_model

TIMMS_NAMES = {
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
    "vit_l_32": "vit_large_patch32_224",
    "vit_h_14": "vit_huge_patch14_224",
}


@pytest.mark.parametrize("name", [name for name, one in MODELS.items() if "timm" in one.layouts])
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = timm.create_model(TIMMS_NAMES.get(name, name), num_classes=1000)
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_timm(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


@pytest.mark.parametrize(
    ("name", "deit"),
    [
        ("vit_tiny_patch16_224", "deit_tiny_patch16_224"),
        ("vit_small_patch16_224", "deit_small_patch16_224"),
        ("vit_b_16", "deit_base_patch16_224"),
    ],
)
def test_deit_has_the_names_and_shapes_of_its_size(name, deit):
    with torch.device("meta"):
        theirs = timm.create_model(deit)
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    assert from_timm(theirs.state_dict()).keys() == ours.state_dict().keys()


def test_a_file_loads_in_another_number_of_channels_and_classes(tmp_path, capsys):
    theirs = timm.create_model("vit_tiny_patch16_224", img_size=32)
    save_file(theirs.state_dict(), tmp_path / "vit.safetensors")

    ours = create_model(
        "vit_tiny_patch16_224",
        num_classes=4,
        in_channels=1,
        weights=f"timm:{tmp_path / 'vit.safetensors'}",
        size=32,
    )

    assert "head replaced (1000 -> 4 classes); 150 of 150 other tensors" in capsys.readouterr().err
    torch.testing.assert_close(
        ours.backbone.patches.weight, theirs.patch_embed.proj.weight.mean(1, keepdim=True) * 3
    )
    assert torch.equal(ours.backbone.tokens.positions, theirs.pos_embed)


def test_a_file_for_another_size_names_its_position_embeddings(tmp_path):
    theirs = timm.create_model("vit_tiny_patch16_224", img_size=32)
    save_file(theirs.state_dict(), tmp_path / "vit.safetensors")

    with pytest.raises(ArtefactError, match=r"tokens.positions \(1, 5, 192\) instead of \(1, 10,"):
        create_model(
            "vit_tiny_patch16_224", weights=f"timm:{tmp_path / 'vit.safetensors'}", size=48
        )
