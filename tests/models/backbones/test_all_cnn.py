import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.all_cnn import AllCNN, all_cnn_c

TABLE_1 = [  # kernel, channels, stride, padding
    (3, 96, 1, 1),
    (3, 96, 1, 1),
    (3, 96, 2, 1),
    (3, 192, 1, 1),
    (3, 192, 1, 1),
    (3, 192, 2, 1),
    (3, 192, 1, 0),
    (1, 192, 1, 0),
    (1, 10, 1, 0),
]


@pytest.mark.parametrize("size_hw", [(9, 9), (12, 15), (32, 32)])
def test_the_network_equals_its_table(size_hw):
    torch.manual_seed(0)
    model = all_cnn_c(num_classes=10).double().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, -0.2, 0.2)
    images = torch.randn(2, 3, *size_hw, dtype=torch.float64)
    layers = list(model.state_dict().values())

    x, maps = images, []
    for (kernel, channels, stride, padding), weight, bias in zip(
        TABLE_1, layers[::2], layers[1::2], strict=True
    ):
        assert weight.shape == (channels, x.shape[1], kernel, kernel)
        x = functional.conv2d(x, weight, bias, stride, padding).clamp(min=0)
        maps.append(x)

    torch.testing.assert_close(model(images), x.sum((2, 3)) / (x.shape[2] * x.shape[3]))
    found = model.backbone(images)
    assert list(found) == [1, 2, 4]
    for stride, last in {1: 1, 2: 4, 4: 7}.items():
        torch.testing.assert_close(found[stride], maps[last])
        assert found[stride].shape[1] == model.backbone.channels[stride]


def test_the_paper_averages_over_six_by_six_places():
    with torch.device("meta"):
        features = AllCNN()(torch.zeros(1, 3, 32, 32))

    assert features[4].shape[2:] == (6, 6)


@pytest.mark.parametrize(("num_classes", "expected"), [(10, 1_369_738), (100, 1_387_108)])
def test_it_has_the_known_number_of_parameters(num_classes, expected):
    with torch.device("meta"):
        model = all_cnn_c(num_classes)

    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_dropout_strikes_the_picture_and_what_strides_left_and_nothing_else():
    torch.manual_seed(0)
    backbone = AllCNN(input_dropout=0.2, dropout=0.5).train()
    for name, parameter in backbone.named_parameters():
        nn.init.constant_(parameter, float(name.endswith("bias")))  # every ReLU gives one
    zeros = {}
    for name, layer in backbone.named_children():
        if name.startswith("conv"):
            layer.register_forward_pre_hook(
                lambda _, given, name=name: zeros.update({name: (given[0] == 0).float().mean()})
            )

    backbone(torch.ones(8, 3, 32, 32))

    assert {name: round(share.item(), 1) for name, share in zeros.items() if share} == {
        "conv1": 0.2,
        "conv4": 0.5,
        "conv7": 0.5,
    }


def test_weights_start_by_the_number_of_their_inputs_and_biases_from_zero():
    torch.manual_seed(0)
    model = all_cnn_c(num_classes=100)

    for layer in model.backbone.modules():
        if isinstance(layer, nn.Conv2d):
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
            assert (layer.bias == 0).all()
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (model.head.bias == 1).all()


def test_every_class_learns_from_the_start_although_the_last_layer_is_rectified():
    torch.manual_seed(0)
    model = all_cnn_c(num_classes=100).train()

    logits = model(torch.randn(8, 3, 16, 16))
    functional.cross_entropy(logits, torch.arange(8)).backward()

    assert logits.min() > 0.1
    assert (model.head.bias.grad != 0).all()


@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_dropout_that_cannot_be_is_refused(name, share):
    with pytest.raises(UsageError, match=f"^dropout must be 0 or more and below 1, not {share}"):
        AllCNN(**{name: share})


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"All-CNN .* 8 x 32 pixels\n.*at least 9 x 9"):
        AllCNN()(torch.zeros(1, 3, 8, 32))
