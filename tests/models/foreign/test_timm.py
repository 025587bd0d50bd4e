import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.efficientnet import _gen_mobilenet_v1

from manako.errors import ArtefactError
from manako.models.foreign.timm import from_timm
from manako.models.weights import Source, load_source
from manako.models.zoo import MODELS, create_model

TIMMS_NAMES = {
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
    "vit_l_32": "vit_large_patch32_224",
    "vit_h_14": "vit_huge_patch14_224",
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_b": "swin_base_patch4_window7_224",
}


def theirs(name):
    with torch.device("meta"):
        return timm.create_model(TIMMS_NAMES.get(name, name), num_classes=1000).state_dict()


def ours(name):
    with torch.device("meta"):
        return MODELS[name].build(num_classes=1000, in_channels=3)


@pytest.mark.parametrize("name", [name for name, one in MODELS.items() if "timm" in one.layouts])
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    if name in ("mobilenetv1_025", "mobilenetv1_050", "mobilenetv1_075"):  # timm has no such name
        width = int(name[-3:]) / 100
        with torch.device("meta"):
            network = _gen_mobilenet_v1("mobilenetv1_100", width)
        converted = from_timm(network.state_dict())
    else:
        converted = from_timm(theirs(name))

    wanted = {key: tensor.shape for key, tensor in ours(name).state_dict().items()}
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
    assert from_timm(theirs(deit)).keys() == ours(name).state_dict().keys()


def test_swins_from_before_timm_0_9_merge_at_the_end_of_a_stage():
    new = theirs("swin_t")
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
    network = timm.create_model("resnetv2_18", num_classes=9)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")

    ours = create_model(
        "resnetv2_18", num_classes=4, in_channels=1, weights=f"timm:{tmp_path}/weights.safetensors"
    )

    last, first = network.stages[3].blocks[1].conv2.weight, network.stem.conv.weight
    assert torch.equal(ours.backbone.layer4[1].conv2.weight, last)
    torch.testing.assert_close(ours.backbone.conv1.weight, first.mean(1, keepdim=True) * 3)
    assert "head replaced (9 -> 4 classes)" in capsys.readouterr().err


def test_a_file_for_another_size_names_its_position_embeddings(tmp_path):
    network = timm.create_model("vit_tiny_patch16_224", img_size=32)
    save_file(network.state_dict(), tmp_path / "vit.safetensors")

    with pytest.raises(ArtefactError, match=r"tokens.positions \(1, 5, 192\) instead of \(1, 10,"):
        create_model(
            "vit_tiny_patch16_224", weights=f"timm:{tmp_path / 'vit.safetensors'}", size=48
        )


@pytest.mark.parametrize(
    ("name", "into"),
    [
        ("mobilenetv1_100h", "mobilenetv1_100"),  # has one more convolution
        ("mobilenetv1_125", "mobilenetv1_100"),
        ("mobilenetv2_100", "mobilenetv1_100"),
        # Other padding and eps under the same architecture.
        ("tf_efficientnet_b0", "efficientnet_b0"),
    ],
)
def test_networks_that_only_look_alike_are_refused(name, into):
    source = Source(f"timm:{name}", from_timm(theirs(name)), foreign=True)

    with pytest.raises(ArtefactError, match=f"timm:{name} does not fit the model"):
        load_source(ours(into), source)
