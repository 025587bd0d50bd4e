import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.unet import unet, unet_bn


def network_by_the_definition(state, images, levels, norm):
    """A U-Net as a function of its weights, in evaluation; `norm` says which form."""

    def normalise(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    def convolve(x, name):
        return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def block(x, name):
        x = convolve(x, f"{name}.0")
        if norm:
            return normalise(x, f"{name}.1").clamp(min=0)
        return convolve(x.clamp(min=0), f"{name}.2").clamp(min=0)

    def enlarge(x, name):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        batch, _, height, width = x.shape
        out = torch.zeros(batch, weight.shape[1], 2 * height, 2 * width, dtype=x.dtype)
        for dy in range(2):
            for dx in range(2):
                out[:, :, dy::2, dx::2] = torch.einsum("bchw,cd->bdhw", x, weight[:, :, dy, dx])
        return out + bias[:, None, None]

    skips = [block(images, "first")]
    for level in range(levels):
        batch, channels, height, width = skips[-1].shape
        cells = skips[-1].reshape(batch, channels, height // 2, 2, width // 2, 2)
        skips.append(block(cells.amax((3, 5)), f"down.{level}"))
    x = skips.pop()
    for level in range(levels):
        x = block(torch.cat([enlarge(x, f"up.{level}"), skips.pop()], 1), f"merge.{level}")
    head = state["head.weight"][:, :, 0, 0]
    return torch.einsum("bchw,kc->bkhw", x, head) + state["head.bias"][:, None, None]


def reach(lowest, highest, convolutions, levels):
    """The first and last input pixel, along one axis, that output pixels lowest..highest see."""

    def contracting(low, high, level):
        low, high = low - convolutions, high + convolutions
        return (low, high) if level == 0 else contracting(2 * low, 2 * high + 1, level - 1)

    def expanding(low, high, level):
        if level == levels:
            return contracting(low, high, level)
        low, high = low - convolutions, high + convolutions
        ends = (*contracting(low, high, level), *expanding(low // 2, high // 2, level + 1))
        return min(ends), max(ends)

    return expanding(lowest, highest, 0)


@pytest.mark.parametrize(("build", "levels", "norm"), [(unet, 4, False), (unet_bn, 3, True)])
def test_the_network_equals_its_definition(build, levels, norm):
    model = build(num_classes=3, in_channels=2, width=4).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
    images = torch.randn(2, 2, 32, 48, dtype=torch.float64, generator=generator)

    found = model(images)

    expected = network_by_the_definition(model.state_dict(), images, levels, norm)
    assert found.shape == (2, 3, 32, 48)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("build", "convolutions", "levels", "size"), [(unet, 2, 4, 256), (unet_bn, 1, 3, 96)]
)
def test_a_pixel_is_seen_exactly_where_the_layers_reach(build, convolutions, levels, size):
    model = build(num_classes=1, in_channels=1, width=1).double().eval()
    for parameter in model.parameters():  # nothing negative: no response is lost or cancelled
        nn.init.constant_(parameter, 0.5 if parameter.ndim > 1 else 0.0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
    row, column = size // 2 + 3, size // 2 - 6
    image = torch.zeros(1, 1, size, size, dtype=torch.float64)
    image[0, 0, row, column] = 1

    response = model(image)[0, 0]

    ends = [reach(pixel, pixel, convolutions, levels) for pixel in range(size)]
    rows = torch.tensor([low <= row <= high for low, high in ends])
    columns = torch.tensor([low <= column <= high for low, high in ends])
    assert not rows.all()
    assert torch.equal(response > 0, rows[:, None] & columns[None, :])


@pytest.mark.parametrize(
    ("build", "classes", "channels", "expected"),
    [
        (unet, 2, 1, 31_030_658),
        (unet, 2, 3, 31_030_658 + 1_152),
        (unet_bn, 10, 3, 3_791_754),
        (unet_bn, 2, 3, 3_791_234),
        (unet_bn, 1, 3, 3_791_169),
        (unet_bn, 1, 1, 3_790_017),
        (unet_bn, 21, 3, 3_792_469),
    ],
)
def test_it_has_the_known_number_of_parameters(build, classes, channels, expected):
    with torch.device("meta"):
        model = build(classes, channels)

    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_weights_start_as_in_the_paper():
    model = unet(num_classes=2, width=32)

    second, up, head = model.down[1][2], model.up[1], model.head

    assert second.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.03)
    assert up.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.03)
    assert head.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.3)
    assert all(torch.count_nonzero(layer.bias) == 0 for layer in (second, up, head))


@pytest.mark.parametrize(
    ("build", "multiple", "size_hw", "advice"),
    [
        (unet, 16, (360, 480), "368 x 480"),
        (unet_bn, 8, (16, 41), "16 x 48"),
        (unet, 16, (0, 16), "16 x 16"),
    ],
)
def test_sizes_that_cannot_be_halved_are_refused_with_advice(build, multiple, size_hw, advice):
    model = build(num_classes=2, width=2)

    assert model.size_multiple == multiple
    with pytest.raises(
        ShapeError, match=rf"multiples of {multiple}\n.*resize or pad them, to {advice}"
    ):
        model(torch.zeros(1, 3, *size_hw))


@pytest.mark.parametrize("build", [unet, unet_bn])
def test_a_width_below_one_is_refused(build):
    with pytest.raises(UsageError, match="widths of a U-Net must be 1 or more"):
        build(num_classes=2, width=0)
