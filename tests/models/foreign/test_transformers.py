import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    PoolFormerConfig,
    PoolFormerForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from manako.models.backbones.swin import SwinTransformer, swin_classifier
from manako.models.foreign.transformers import from_transformers
from manako.models.zoo import MODELS, create_model
from manako.storage.tensors import load_tensors
from networks import names_in_files


def config(name, **more):
    network = MODELS[name]
    with torch.device("meta"):
        encoder = network.build(num_classes=1, in_channels=3).backbone.encoder
    options = network.build.keywords
    return ViTConfig(
        hidden_size=encoder.width,
        intermediate_size=4 * encoder.width,
        num_hidden_layers=len(encoder.blocks),
        num_attention_heads=encoder.blocks[0].attention.heads,
        patch_size=options["patch"],
        **{"num_labels": 1000, **more},
    )


def saved(model, folder):
    """The file that transformers writes: its names are older than those of its networks."""
    model.save_pretrained(folder)
    return folder / "model.safetensors"


VITS = [
    name for name, one in MODELS.items() if "transformers" in one.layouts and name.startswith("vit")
]


@pytest.mark.parametrize("name", VITS)
def test_every_tensor_of_a_vit_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = ViTForImageClassification(config(name))
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_transformers(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_the_names_in_files_are_read_as_well_as_those_of_the_network(tmp_path):
    theirs = ViTForImageClassification(config("vit_tiny_patch16_224", image_size=32))
    in_file = load_file(saved(theirs, tmp_path))

    found, expected = from_transformers(in_file), from_transformers(theirs.state_dict())

    assert in_file.keys() != theirs.state_dict().keys()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize(("eps", "most"), [(1e-12, 1e-12), (1e-6, 1e-3)])
def test_a_file_gives_exactly_its_logits_with_the_eps_that_it_was_made_with(tmp_path, eps, most):
    torch.manual_seed(0)
    theirs = ViTForImageClassification(config("vit_tiny_patch16_224", image_size=32)).eval()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)

    ours = create_model(
        "vit_tiny_patch16_224", weights=f"transformers:{saved(theirs, tmp_path)}", size=32, eps=eps
    )
    with torch.no_grad():
        expected = theirs.double()(images).logits
        error = (ours.eval().double()(images) - expected).abs().max() / expected.abs().max()

    assert theirs.config.layer_norm_eps == 1e-12
    assert error < most
    assert (error > 1e-9) == (eps == 1e-6)


def test_a_network_without_a_head_fills_the_backbone(tmp_path, capsys):
    theirs = ViTModel(config("vit_tiny_patch16_224", image_size=32))
    assert "pooler.dense.weight" in theirs.state_dict()
    path = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), path)

    ours = create_model("vit_tiny_patch16_224", weights=f"transformers:{path}", size=32)

    assert "150 of 150 backbone tensors loaded" in capsys.readouterr().err
    assert torch.equal(ours.backbone.encoder.norm.weight, theirs.layernorm.weight)
    assert torch.equal(
        ours.backbone.encoder.blocks[3].attention.qkv.weight[192:384],
        theirs.layers[3].attention.k_proj.weight,
    )


def test_every_tensor_of_a_swin_finds_its_place_and_shape():
    with torch.device("meta"):
        theirs = SwinForImageClassification(SwinConfig(num_labels=1000))
        ours = MODELS["swin_t"].build(num_classes=1000, in_channels=3)

    converted = from_transformers(names_in_files(theirs.state_dict()))

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


def test_a_file_that_transformers_saved_fills_our_network(tmp_path):
    config = SwinConfig(embed_dim=32, depths=[2, 1], num_heads=[1, 2], window_size=2, num_labels=3)
    theirs = SwinForImageClassification(config)
    theirs.save_pretrained(tmp_path)
    ours = swin_classifier(SwinTransformer(32, (2, 1), window=2), 3)

    tensors = from_transformers(load_tensors(tmp_path / "model.safetensors"))
    ours.load_state_dict(tensors, strict=True)

    block = theirs.swin.encoder.layers[0].blocks[1]
    q, k, v = ours.backbone.features[1][1].attn.qkv.weight.chunk(3)
    assert torch.equal(q, block.attention.q_proj.weight)
    assert torch.equal(k, block.attention.k_proj.weight)
    assert torch.equal(v, block.attention.v_proj.weight)


def test_every_tensor_of_a_poolformer_finds_its_place_and_shape():
    with torch.device("meta"):
        theirs = PoolFormerForImageClassification(PoolFormerConfig(num_labels=1000))
        ours = MODELS["poolformer_s12"].build(num_classes=1000, in_channels=3)

    converted = from_transformers(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted
