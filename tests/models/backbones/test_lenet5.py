import pytest
import torch
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.backbones.lenet5 import LeNet5


@pytest.mark.parametrize(("size", "padding"), [(28, 2), (32, 0)])
@pytest.mark.parametrize(
    ("activation", "rectify", "pool"),
    [("tanh", torch.tanh, functional.avg_pool2d), ("relu", torch.relu, functional.max_pool2d)],
)
def test_the_network_equals_its_layer_list(size, padding, activation, rectify, pool):
    model = LeNet5(num_classes=10, in_channels=1, size=size, activation=activation)
    images = torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(0))
    layers = list(model.state_dict().values())
    (c1, b1), (c2, b2), (f1, d1), (f2, d2), (f3, d3) = zip(layers[::2], layers[1::2], strict=True)

    x = pool(rectify(functional.conv2d(images, c1, b1, padding=padding)), 2)
    x = pool(rectify(functional.conv2d(x, c2, b2)), 2).reshape(3, 400)
    expected = rectify(rectify(x @ f1.T + d1) @ f2.T + d2) @ f3.T + d3

    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize(("channels", "expected"), [(1, 61_706), (3, 62_006)])
def test_it_has_the_known_number_of_parameters(channels, expected):
    model = LeNet5(num_classes=10, in_channels=channels)

    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_another_size_is_refused_with_advice():
    model = LeNet5(num_classes=10, in_channels=1)

    with pytest.raises(ShapeError, match=r"32 x 30 pixels\n.*28 x 28\n.*size=28 or size=32"):
        model(torch.zeros(1, 1, 32, 30))
