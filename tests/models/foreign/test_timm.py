import pytest
import timm
import torch

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS


@pytest.mark.parametrize("name", [f"poolformer_{size}" for size in ("s12", "s36", "m48")])
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    with torch.device("meta"):
        theirs = timm.create_model(name)
        ours = MODELS[name].build(num_classes=1000, in_channels=3)

    converted = from_timm(theirs.state_dict())

    wanted = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted
