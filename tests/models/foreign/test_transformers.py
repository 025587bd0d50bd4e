import torch
from transformers import SwinConfig, SwinForImageClassification

from manako.models.backbones.swin import SwinTransformer, swin_classifier
from manako.models.foreign.transformers import from_transformers
from manako.models.zoo import MODELS
from manako.storage.tensors import load_tensors
from networks import names_in_files


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
