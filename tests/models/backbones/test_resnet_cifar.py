import pytest
import torch
from torch.nn import functional

from manako.errors import UsageError
from manako.models.backbones.resnet_cifar import CifarResNet, shortcut_a


def shortcut_by_the_definition(x, c_out):
    """Stride 2, one number at a time."""
    batch, c_in, height, width = x.shape
    out = torch.zeros(batch, c_out, (height + 1) // 2, (width + 1) // 2, dtype=x.dtype)
    for channel in range(c_in):
        for row in range(0, height, 2):
            for column in range(0, width, 2):
                place = channel + (c_out - c_in) // 2
                out[:, place, row // 2, column // 2] = x[:, channel, row, column]
    return out


def network_by_the_definition(state, images, depth):
    """The network of section 4.2 as a function of its weights, in evaluation."""

    def norm(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = functional.conv2d(images, state["conv1.weight"], padding=1)
    x = norm(x, "bn1").clamp(min=0)
    features = {}
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        for index in range((depth - 2) // 6):
            block = f"layer{stage}.{index}"
            stride = 2 if stage > 1 and index == 0 else 1
            y = functional.conv2d(x, state[f"{block}.conv1.weight"], stride=stride, padding=1)
            y = norm(y, f"{block}.bn1").clamp(min=0)
            y = norm(
                functional.conv2d(y, state[f"{block}.conv2.weight"], padding=1), f"{block}.bn2"
            )
            x = shortcut_by_the_definition(x, width) if stride == 2 else x
            x = (x + y).clamp(min=0)
        features[2 ** (stage - 1)] = x
    return features


@pytest.mark.parametrize("size_hw", [(6, 4), (5, 7)])
def test_option_a_takes_every_second_pixel_and_pads_channels_on_both_sides(size_hw):
    x = torch.randn(2, 16, *size_hw, generator=torch.Generator().manual_seed(0))

    found = shortcut_a(x, c_out=32, stride=2)

    assert torch.equal(found, shortcut_by_the_definition(x, c_out=32))


@pytest.mark.parametrize("size_hw", [(12, 12), (9, 14)])
def test_the_network_equals_its_definition(size_hw):
    model = CifarResNet(20).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
    images = torch.randn(2, 3, *size_hw, dtype=torch.float64, generator=generator)

    found = model(images)
    expected = network_by_the_definition(model.state_dict(), images, depth=20)

    assert list(found) == [1, 2, 4]
    for stride, features in found.items():
        torch.testing.assert_close(features, expected[stride], rtol=1e-9, atol=1e-9)
        assert features.shape[1] == model.channels[stride]


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(UsageError, match=rf"cannot have {depth} layers\n.*6n \+ 2: 20, 32"):
        CifarResNet(depth)
