import pytest
import timm
import torch

from manako.errors import ArtefactError
from manako.models.foreign.timm import from_timm
from manako.models.weights import Source, load_source
from manako.models.zoo import MODELS


def theirs(name):
    with torch.device("meta"):
        return timm.create_model(name).state_dict()


def ours(name):
    with torch.device("meta"):
        return MODELS[name].build(num_classes=1000, in_channels=3)


@pytest.mark.parametrize("name", ["mobilenetv1_100", "mobilenetv1_125"])
def test_every_tensor_of_timm_finds_its_place_and_shape(name):
    converted = from_timm(theirs(name))

    wanted = {key: tensor.shape for key, tensor in ours(name).state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == wanted


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
