"""Networks of one and three dimensions against those of two, with the same filters."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
import torch
from torch import nn

import networks
from manako.arithmetic import arithmetic
from manako.errors import ShapeError, UsageError
from manako.models.dimensions import PLAIN
from manako.models.zoo import create_model, list_models, model_info

PLAIN_NAMES = [name for name in list_models() if any(fnmatchcase(name, one) for one in PLAIN)]
SMALL = [
    "alexnet",
    "all_cnn_c",
    "densenet121",
    "densenet_bc_40_12",
    "efficientnet_b0",
    "mobilenetv1_050",
    "preact_resnet110",
    "resnet20",
    "resnet18",
    "resnet50",
    "resnetv2_18",
    "vgg11",
    "vgg11_bn",
    "wide_resnet50_2",
    "wrn_16_4",
]
OPTIONS = {name: {"hidden": 8} for name in ("alexnet", "vgg11", "vgg11_bn")}


def copied(flat, other):
    """`other` with the weights of `flat`, whose filters work in the last dimensions alone."""
    for theirs, ours in zip(flat.parameters(), other.parameters(), strict=True):
        if theirs.ndim == ours.ndim:
            if theirs.shape == ours.shape:  # not a layer after bins, of which there are more
                ours.data.copy_(theirs.data)
        elif ours.ndim == 3:  # the row in the middle
            ours.data.copy_(theirs.data[:, :, theirs.shape[2] // 2])
        else:
            ours.data.zero_()
            ours.data[:, :, ours.shape[2] // 2] = theirs.data
    for theirs, ours in zip(flat.buffers(), other.buffers(), strict=True):
        ours.data.copy_(theirs.data)


def keep_middle_rows(flat):
    for layer in flat.modules():
        if isinstance(layer, nn.Conv2d):
            middle = layer.weight.data[:, :, layer.kernel_size[0] // 2].clone()
            layer.weight.data.zero_()
            layer.weight.data[:, :, layer.kernel_size[0] // 2] = middle


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dims", [1, 3])
def test_what_is_the_same_along_a_dimension_is_seen_as_without_it(name, dims):
    """A picture of equal rows as a signal, and a volume of equal slices as a picture."""
    options = OPTIONS.get(name, {})
    flat = networks.scrambled(create_model(name, num_classes=5, **options).double().eval())
    other = create_model(name, num_classes=5, dims=dims, **options).double().eval()
    side = max(40, flat.least_side)
    if dims == 1:
        keep_middle_rows(flat)
        copied(flat, other)
        given = torch.randn(2, 3, side, dtype=torch.float64)
        flat_given = given[:, :, None].expand(-1, -1, side, -1)
    else:
        copied(flat, other)
        flat_given = torch.randn(2, 3, side, side, dtype=torch.float64)
        given = flat_given[:, :, None].expand(-1, -1, flat.least_side, -1, -1)

    with torch.no_grad():
        expected, found = flat.backbone(flat_given), other.backbone(given)

    assert set(found) == set(expected)
    for stride, maps in found.items():
        without = expected[stride][:, :, 0] if dims == 1 else expected[stride]
        kept = maps if dims == 1 else maps[:, :, 0]
        torch.testing.assert_close(kept, without, rtol=1e-9, atol=1e-9)
    if not options:
        with torch.no_grad():
            torch.testing.assert_close(other(given), flat(flat_given), rtol=1e-9, atol=1e-9)


def test_the_small_ones_are_one_of_every_pattern():
    for pattern in PLAIN:
        assert any(fnmatchcase(name, pattern) for name in SMALL), pattern


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_every_plain_network_has_its_kin(name, dims):
    with torch.device("meta"):
        network = create_model(name, num_classes=7, in_channels=6, dims=dims).eval()
    side = max(model_info(name).least_side, 32)

    logits = network(torch.zeros(2, 6, *(side,) * dims, device="meta"))

    assert logits.shape == (2, 7)
    two = {"Conv2d", "BatchNorm2d", "MaxPool2d", "AvgPool2d", "DepthwiseConv2d"}
    assert not two & {type(one).__name__ for one in network.modules()}
    with pytest.raises(
        ShapeError, match="signals of 1 values" if dims == 1 else "volumes of 1 x 1"
    ):
        network(torch.zeros(2, 6, *(1,) * dims, device="meta"))


@pytest.mark.parametrize("name", sorted(set(list_models()) - set(PLAIN_NAMES)))
def test_all_others_are_refused(name):
    with (
        pytest.raises(UsageError, match=f"{name} is not known for 3 dimensions"),
        torch.device("meta"),
    ):
        create_model(name, dims=3)


def test_other_numbers_of_dimensions_are_refused():
    with pytest.raises(UsageError, match="not known for 4 dimensions"):
        create_model("resnet20", dims=4)


@pytest.mark.parametrize(("dims", "elements"), [(1, 3), (3, 27)])
def test_weights_start_with_the_law_of_the_family(dims, elements):
    network = create_model("resnet18", dims=dims)
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv3d) and layer.kernel_size[0] == 3:
            expected = (2 / (layer.out_channels * elements)) ** 0.5  # He et al., "fan out"
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
            assert abs(layer.weight.mean().item()) < 0.05 * expected


@pytest.mark.parametrize("dims", [1, 3])
def test_a_signal_or_volume_is_learned(dims):
    torch.manual_seed(0)
    network = create_model("resnet20", num_classes=2, in_channels=1, dims=dims)
    size = (64,) if dims == 1 else (12, 12, 12)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    labels = torch.arange(16) % 2
    given = 0.1 * torch.randn(16, 1, *size)
    given[labels == 1, ..., ::2] += 1  # stripes
    for _ in range(12):
        loss = nn.functional.cross_entropy(network(given), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(given).argmax(1) == labels).all()


def test_arithmetic_of_signals_and_volumes():
    signal = arithmetic("resnet18", input_size=(1000,), dims=1, in_channels=2)
    first = signal.layers[0]
    assert signal.input == (2, 1000)
    assert (first.output, first.stride, first.receptive_field) == ((64, 500), 2, 7)
    assert first.macs == 2 * 64 * 7 * 500
    assert {one.receptive_field for one in signal.grouped(2)} >= {435}
    volume = arithmetic("resnet18", input_size=(32, 48, 64), dims=3, in_channels=1)
    first = volume.layers[0]
    assert (first.output, first.stride, first.receptive_field) == ((64, 16, 24, 32), 2, 7)
    assert first.macs == 64 * 7**3 * 16 * 24 * 32
    assert {one.receptive_field for one in volume.grouped(2)} >= {435}
