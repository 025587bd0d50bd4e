import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.wide_resnet_cifar import WideBlock, WideResNet


def network_by_the_definition(state, images, depth):
    """Table 1 and figure 1d as a function of the weights, in evaluation."""

    def activate(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    x = functional.conv2d(images, state["conv1.weight"], padding=1)
    features = {}
    for stage in (1, 2, 3):
        for index in range((depth - 4) // 6):
            block = f"layer{stage}.{index}"
            stride = 2 if stage > 1 and index == 0 else 1
            first = activate(x, f"{block}.bn1")
            y = functional.conv2d(first, state[f"{block}.conv1.weight"], stride=stride, padding=1)
            y = activate(y, f"{block}.bn2")
            y = functional.conv2d(y, state[f"{block}.conv2.weight"], padding=1)
            plain = state.get(f"{block}.shortcut.weight")
            if plain is None:
                x = x + y
            else:  # a 1x1 convolution, one sum over channels for every pixel taken
                taken = first[:, :, ::stride, ::stride]
                x = torch.einsum("oc,bchw->bohw", plain[:, :, 0, 0], taken) + y
        features[2 ** (stage - 1)] = x
    features[4] = activate(features[4], "bn")
    return features


def scrambled(depth, widening, **options):
    model = WideResNet(depth, widening, **options).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return model


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("depth", "widening"), [(16, 2), (22, 1), (10, 3)])
@pytest.mark.parametrize("size_hw", [(12, 12), (9, 14)])
def test_the_network_equals_its_definition(depth, widening, size_hw, dropout):
    model = scrambled(depth, widening, dropout=dropout)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size_hw, dtype=torch.float64, generator=generator)

    found = model(images)
    expected = network_by_the_definition(model.state_dict(), images, depth)

    assert list(found) == [1, 2, 4]
    for stride, features in found.items():
        torch.testing.assert_close(features, expected[stride], rtol=1e-9, atol=1e-9)
        assert features.shape[1] == model.channels[stride] == 16 * widening * stride


@pytest.mark.parametrize(("depth", "widening"), [(16, 8), (28, 10), (40, 2)])
def test_the_name_counts_the_convolutions_of_the_main_path(depth, widening):
    with torch.device("meta"):
        model = WideResNet(depth, widening)

    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    shortcuts = [layer for layer in convolutions if layer.kernel_size == (1, 1)]

    # The paper counts the three shortcuts as layers: 1 stem, 6n of 3x3 and 3 of 1x1 are 6n + 4.
    assert len(convolutions) == depth
    assert len(shortcuts) == 3
    assert all(layer.bias is None for layer in convolutions)


def test_a_block_that_keeps_its_channels_passes_the_raw_input_on():
    block = WideBlock(8, 8, stride=1, dropout=0.0).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))

    assert block.shortcut is None
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("c_in", "stride"), [(4, 1), (8, 2)])
def test_a_shortcut_has_weights_where_channels_or_size_change(c_in, stride):
    assert WideBlock(c_in, 8, stride, dropout=0.0).shortcut.stride == (stride, stride)


def test_dropout_stands_between_the_convolutions_after_the_relu_and_in_training_only():
    torch.manual_seed(0)
    block = WideBlock(16, 16, stride=1, dropout=0.3)
    x = torch.randn(4, 16, 12, 12)
    passed = {}
    block.dropout.register_forward_hook(lambda _, given, out: passed.update(x=given[0], y=out))
    block.conv2.register_forward_pre_hook(lambda _, given: passed.update(convolved=given[0]))

    block.train()(x)
    x_in, y = passed["x"], passed["y"]
    expected = functional.relu(block.bn2(block.conv1(functional.relu(block.bn1(x)))))

    torch.testing.assert_close(x_in, expected)
    assert passed["convolved"] is y
    kept = y[x_in > 0] > 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.02)
    torch.testing.assert_close(y[y > 0], x_in[y > 0] / 0.7)

    block.eval()(x)
    assert torch.equal(passed["x"], passed["y"])


def test_every_block_has_the_asked_dropout_and_it_costs_no_parameters():
    with torch.device("meta"):
        model, plain = WideResNet(16, 2, dropout=0.4), WideResNet(16, 2)

    rates = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]

    assert rates == [0.4] * 6
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_fresh_weights_follow_kaiming_and_norms_start_as_the_identity():
    model = WideResNet(10, 4)

    assert model.layer3[0].conv2.weight.std().item() == pytest.approx(
        (2 / (256 * 9)) ** 0.5, rel=0.01
    )
    assert torch.equal(model.bn.weight, torch.ones(256))


@pytest.mark.parametrize(("depth", "widening"), [(4, 1), (18, 2), (29, 10), (16, 0)])
def test_other_depths_are_refused(depth, widening):
    with pytest.raises(UsageError, match=rf"no WRN-{depth}-{widening}\n.*6n \+ 4 \(16, 22, 28"):
        WideResNet(depth, widening)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_dropout_that_cannot_be_is_refused(dropout):
    with pytest.raises(UsageError, match=f"dropout must be 0 or more and below 1, not {dropout}"):
        WideResNet(16, 2, dropout=dropout)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"this wide ResNet .* 3 x 32 pixels\n.*at least 4 x 4"):
        WideResNet(10, 1)(torch.zeros(1, 3, 3, 32))
