import torch
from transformers import PoolFormerConfig, PoolFormerForImageClassification

from manako.models.foreign.transformers import from_transformers
from manako.models.zoo import MODELS


def test_every_tensor_of_a_poolformer_finds_its_place_and_shape():
    with torch.device("meta"):
        theirs = PoolFormerForImageClassification(PoolFormerConfig(num_labels=1000))
        ours = MODELS["poolformer_s12"].build(num_classes=1000, in_channels=3)

    converted = from_transformers(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted
