import pytest
import torch
from torch import nn

from manako.errors import UsageError
from manako.models.backbones.alexnet import alexnet
from manako.models.fully_connected import FullyConnectedHead
from manako.models.weights import load_weights
from manako.storage.tensors import save_tensors


@pytest.fixture(scope="module")
def file_of_torchvision(build, tmp_path_factory):
    """An AlexNet with narrow hidden layers under torchvision's names."""
    theirs = {
        **{f"conv{n}": f"features.{at}" for n, at in enumerate((0, 3, 6, 8, 10), start=1)},
        **{"fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"},
    }
    path = tmp_path_factory.mktemp("weights") / "alexnet.safetensors"
    tensors = {}
    for name, tensor in build("alexnet", num_classes=9, hidden=16).state_dict().items():
        _, layer, kind = name.split(".")
        tensors[f"{theirs[layer]}.{kind}"] = tensor
    save_tensors(path, tensors)
    return path


def test_a_head_is_three_layers_with_relu_between_them():
    torch.manual_seed(0)
    head = FullyConnectedHead(5, 3, hidden=7).eval()
    x = torch.randn(2, 5)
    w6, b6, w7, b7, w8, b8 = head.state_dict().values()

    expected = ((x @ w6.T + b6).clamp(min=0) @ w7.T + b7).clamp(min=0) @ w8.T + b8

    torch.testing.assert_close(head(x), expected)
    assert torch.equal(head.train()(x * 0), head(x * 0)) is False  # dropout, in training


@pytest.mark.parametrize("layer", ["fc6", "fc7", "fc8"])
def test_dropout_strikes_before_the_layers_that_are_asked(layer):
    torch.manual_seed(0)
    shares = {"fc6": (0.25, 0.0, 0.0), "fc7": (0.0, 0.25, 0.0), "fc8": (0.0, 0.0, 0.25)}[layer]
    head = FullyConnectedHead(400, 3, hidden=400, dropout=shares).train()
    for one in (head.fc6, head.fc7):
        nn.init.ones_(one.bias)  # no ReLU is at zero
        nn.init.zeros_(one.weight)
    zeros = {}
    for name in ("fc6", "fc7", "fc8"):
        getattr(head, name).register_forward_pre_hook(
            lambda _, given, name=name: zeros.update({name: (given[0] == 0).float().mean().item()})
        )

    head(torch.ones(20, 400))

    assert {name for name, share in zeros.items() if share} == {layer}
    assert zeros[layer] == pytest.approx(0.25, abs=0.02)


def test_pictures_of_any_size_and_shape_are_taken():
    with torch.device("meta"):
        model = alexnet(num_classes=3, hidden=8)

    for size_hw in ((63, 63), (224, 224), (90, 301)):
        assert model(torch.zeros(2, 3, *size_hw, device="meta")).shape == (2, 3)


def test_another_class_count_keeps_the_hidden_layers_of_a_file(build, file_of_torchvision):
    model, whole = build("alexnet", num_classes=4, hidden=16), build("alexnet", 9, hidden=16)
    last = model.head.fc8.weight.clone()
    nn.init.zeros_(model.head.fc6.weight)

    loaded = load_weights(model, f"torchvision:{file_of_torchvision}", classes=list("abcd"))

    assert loaded.message == "head replaced (9 -> 4 classes); 14 of 14 other tensors loaded"
    assert torch.equal(model.head.fc8.weight, last)
    for name in ("backbone.conv5.weight", "head.fc6.weight", "head.fc7.bias"):
        assert torch.equal(model.state_dict()[name], whole.state_dict()[name])


def test_a_file_fits_pictures_of_one_channel(build, file_of_torchvision):
    model, whole = build("alexnet", 9, in_channels=1, hidden=16), build("alexnet", 9, hidden=16)

    loaded = load_weights(model, f"torchvision:{file_of_torchvision}")
    grey = torch.randn(1, 1, 63, 70, generator=torch.Generator().manual_seed(0))

    assert "first convolution fitted from 3 channels to 1" in loaded.message
    with torch.no_grad():
        found, expected = model.eval()(grey), whole.eval()(grey.expand(1, 3, 63, 70))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "hidden must be 1 or more, not 0"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1, not 1.0"),
        ({"dropout": -0.1}, "dropout must be 0 or more and below 1, not -0.1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with torch.device("meta"), pytest.raises(UsageError, match=message):
        alexnet(num_classes=3, **options)
