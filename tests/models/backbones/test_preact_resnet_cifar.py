import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.preact_resnet_cifar import (
    Basic,
    Bottleneck,
    CifarPreActResNet,
    shortcut_a,
)


def network_by_the_definition(state, images, units):
    """Figure 4e and the appendix as a function of the weights, in evaluation; `units` a stage."""

    def activate(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    x = functional.conv2d(images, state["conv1.weight"], padding=1)
    features = {}
    for stage in (1, 2, 3):
        for index in range(units):
            unit = f"layer{stage}.{index}"
            stride = 2 if stage > 1 and index == 0 else 1
            first = activate(x, f"{unit}.bn1")
            y = first
            for number in (1, 2, 3):
                weight = state.get(f"{unit}.conv{number}.weight")
                if weight is None:
                    break
                y = y if number == 1 else activate(y, f"{unit}.bn{number}")
                y = functional.conv2d(
                    y,
                    weight,
                    stride=stride if number == 1 else 1,
                    padding=weight.shape[-1] // 2,
                )
            if index == 0:
                taken = first[:, :, ::stride, ::stride]
                if f"{unit}.shortcut.weight" in state:
                    plain = state[f"{unit}.shortcut.weight"][:, :, 0, 0]
                    x = torch.einsum("oc,bchw->bohw", plain, taken) + y
                else:
                    x = y.clone()
                    x[:, : taken.shape[1]] += taken
            else:
                x = x + y
        features[2 ** (stage - 1)] = x
    features[4] = activate(features[4], "bn")
    return features


def scrambled(unit, depth):
    model = CifarPreActResNet(unit, depth).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return model


@pytest.mark.parametrize(("unit", "depth", "units"), [(Basic, 20, 3), (Bottleneck, 20, 2)])
@pytest.mark.parametrize("size_hw", [(12, 12), (9, 14)])
def test_the_network_equals_its_definition(unit, depth, units, size_hw):
    model = scrambled(unit, depth)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size_hw, dtype=torch.float64, generator=generator)

    found = model(images)
    expected = network_by_the_definition(model.state_dict(), images, units)

    assert list(found) == [1, 2, 4]
    for stride, features in found.items():
        torch.testing.assert_close(features, expected[stride], rtol=1e-9, atol=1e-9)
        assert features.shape[1] == model.channels[stride] == 16 * unit.expansion * stride


@pytest.mark.parametrize(("unit", "depth"), [(Basic, 110), (Bottleneck, 164), (Bottleneck, 1001)])
def test_the_name_counts_the_convolutions_of_the_main_path_and_the_head(unit, depth):
    with torch.device("meta"):
        model = CifarPreActResNet(unit, depth)

    convolutions = {n: one for n, one in model.named_modules() if isinstance(one, nn.Conv2d)}
    shortcuts = [name for name in convolutions if name.endswith("shortcut")]

    assert len(convolutions) - len(shortcuts) + 1 == depth
    assert shortcuts == [f"layer{n}.0.shortcut" for n in (1, 2, 3) if unit is Bottleneck]
    assert all(one.bias is None for one in convolutions.values())


def test_a_bottleneck_strides_in_its_first_convolution():
    unit = Bottleneck(8, 4, stride=2, is_first=True)

    assert (unit.conv1.stride, unit.conv2.stride, unit.conv3.stride) == ((2, 2), (1, 1), (1, 1))
    assert unit.shortcut.stride == (2, 2)


@pytest.mark.parametrize("unit", [Basic, Bottleneck])
def test_the_shortcut_of_a_later_unit_is_the_raw_input(unit):
    one = unit(4 * unit.expansion, 4, stride=1, is_first=False).eval()
    nn.init.zeros_(one.conv3.weight if unit is Bottleneck else one.conv2.weight)
    x = torch.randn(2, 4 * unit.expansion, 5, 5, generator=torch.Generator().manual_seed(0))

    assert torch.equal(one(x), x)


def test_the_first_unit_of_the_network_passes_the_activated_input_on():
    one = Basic(4, 4, stride=1, is_first=True).eval()
    nn.init.zeros_(one.conv2.weight)
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))

    assert torch.equal(one(x), functional.relu(one.bn1(x)))


def test_a_shortcut_without_parameters_has_zeros_after_the_channels_of_every_second_pixel():
    x = torch.arange(2 * 3 * 3.0).view(1, 2, 3, 3)

    y = shortcut_a(x, 4, stride=2)

    assert torch.equal(y[:, :2], x[:, :, [0, 2]][..., [0, 2]])
    assert torch.equal(y[:, 2:], torch.zeros(1, 2, 2, 2))


def test_fresh_weights_follow_kaiming_and_norms_start_as_the_identity():
    model = CifarPreActResNet(Bottleneck, 164)

    middle = torch.cat([one.conv2.weight.flatten() for one in model.layer3])

    assert middle.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.01)
    assert torch.equal(model.bn.weight, torch.ones(256))
    assert torch.equal(model.bn.bias, torch.zeros(256))


@pytest.mark.parametrize(
    ("unit", "depth", "expected"),
    [
        (Basic, 2, r"6n \+ 2"),
        (Basic, 164 + 1, r"6n \+ 2"),
        (Bottleneck, 2, r"9n \+ 2"),
        (Bottleneck, 50, r"9n \+ 2"),
    ],
)
def test_other_depths_are_refused(unit, depth, expected):
    with pytest.raises(UsageError, match=rf"cannot have {depth} layers\n.*{expected}"):
        CifarPreActResNet(unit, depth)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"pre-activation ResNet .* 32 x 3 .*\n.*at least 4 x 4"):
        CifarPreActResNet(Basic, 8)(torch.zeros(1, 3, 32, 3))
