"""Figures of networks against what they are when they are computed, and against published ones."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from manako.arithmetic import Arithmetic, arithmetic
from manako.arithmetic.counting import kind_of
from manako.errors import ShapeError, UnknownName, UsageError
from manako.models.backbones.vit_stem import StandardisedConv
from manako.models.zoo import create_model, list_models, model_info


@pytest.mark.parametrize("name", list_models())
def test_layers_add_up_to_the_model(name):
    info, cost = model_info(name), arithmetic(name)

    assert cost.params == info.params
    assert cost.macs == info.macs
    assert cost.input == (info.in_channels, *info.size_hw)
    assert cost.kept_bytes > 0
    assert len({layer.name for layer in cost.layers}) == len(cost.layers)
    for depth in (1, 2, 3):
        put_together = Arithmetic(cost.input, cost.grouped(depth), cost.given)
        assert put_together.params == cost.params
        assert put_together.macs == cost.macs
        assert put_together.kept_bytes == cost.kept_bytes


PUBLISHED = [
    name
    for name in list_models(task="classification")
    if name in torchvision.models.list_models() and "torchvision" in model_info(name).weights
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_operations_are_those_that_torchvision_publishes(name):
    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    for weights in torchvision.models.get_model_weights(name):  # the size of the reference
        if weights.meta["num_params"] == model_info(name).params:
            published = weights.meta
            break
    side = min(weights.transforms().crop_size)

    cost = arithmetic(
        name, input_size=(side, side), **({"auxiliary": False} if "goog" in name else {})
    )

    assert cost.macs / 1e9 == pytest.approx(published["_ops"], abs=6e-4)
    if "goog" not in name:  # published with the auxiliary classifiers taken off
        assert cost.params == published["num_params"]


def test_enough_names_have_published_figures():
    assert len(PUBLISHED) > 35


def outputs_of(network, images):
    found = {}
    for name, module in network.named_modules():
        module.register_forward_hook(
            lambda _m, _i, out, name=name: found.__setitem__(
                name, tuple(out.shape[1:]) if isinstance(out, torch.Tensor) else ()
            )
        )
    with torch.no_grad():
        network(images)
    return found


@pytest.mark.parametrize("name", ["resnet20", "densenet_bc_40_12", "vit_tiny_patch4_32"])
def test_outputs_are_those_of_a_real_picture(name):
    cost = arithmetic(name)
    found = outputs_of(create_model(name).eval(), torch.zeros(1, *cost.input))
    for layer in cost.layers:
        assert layer.output == found.get(layer.name, ())


def kept_by_hand(network, images):
    known = {one.untyped_storage().data_ptr() for one in network.parameters()}
    known |= {one.untyped_storage().data_ptr() for one in network.buffers()}
    alive, total = [], 0

    def pack(tensor):
        nonlocal total
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            known.add(storage.data_ptr())
            alive.append(tensor)
            total += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one):
        network.train()(images)
    return total


def kept_of_one_more(network, shape):
    four, two = (kept_by_hand(network, torch.randn(count, *shape)) for count in (4, 2))
    return (four - two) / 2


@pytest.mark.parametrize("name", ["resnet20", "efficientnet_b0", "unet_bn"])
def test_what_training_keeps_is_what_it_keeps_of_real_pictures(name):
    cost = arithmetic(name, input_size=(64, 64))
    assert kept_of_one_more(create_model(name), cost.input) == pytest.approx(
        cost.kept_bytes, rel=0.01
    )


def test_weights_that_are_computed_are_not_kept_of_every_picture():
    network = StandardisedConv(4, 8, 3)
    cost = arithmetic(network, input_size=(8, 8), in_channels=4)
    assert cost.kept_bytes == kept_of_one_more(network, (4, 8, 8)) == 4 * 4 * 10 * 10  # padded


def test_what_is_kept_grows_with_the_picture_and_weights_do_not():
    small, large = (
        arithmetic("resnet18", input_size=(64, 64)),
        arithmetic("resnet18", input_size=(128, 128)),
    )
    assert large.kept_bytes / small.kept_bytes == pytest.approx(4, rel=0.01)
    assert large.params == small.params
    # weights, gradients and momentum, and what is kept of every picture
    assert small.training_bytes(batch=8) == 12 * small.params + 8 * small.kept_bytes
    assert small.training_bytes(batch=8, states=2) - small.training_bytes(8) == 4 * small.params


def test_strides_and_fields_of_a_row_of_layers():
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        )

    cost = arithmetic(network, input_size=(64, 48))

    assert [(one.stride, one.receptive_field) for one in cost.layers[:3]] == [
        (2, 7),
        (4, 7 + 2 * 2),
        (4, 11 + 4 * 4),
    ]
    assert [one.output for one in cost.layers] == [
        (8, 32, 24), (8, 16, 12), (8, 16, 12), (8, 1, 1), (8,), (2,)
    ]  # fmt: skip
    assert cost.layers[3].receptive_field is None  # all of the picture
    assert cost.layers[0].macs == 3 * 8 * 49 * 32 * 24
    assert cost.layers[-1].macs == 16


@pytest.mark.parametrize(("name", "last"), [("resnet18", 435), ("resnet50", 427), ("vgg16", 212)])
def test_the_last_field_is_that_of_the_model(name, last):
    assert model_info(name).receptive_field == last
    fields = [one.receptive_field for one in arithmetic(name).layers if one.receptive_field]
    assert max(fields) == last


def test_after_squeezing_a_unit_sees_all_and_strides_go_on():
    layers = {one.name: one for one in arithmetic("efficientnet_b0").grouped(4)}
    deep = layers["backbone.features.7.0"]
    assert (deep.stride, deep.receptive_field) == (32, None)


def test_what_a_picture_does_not_meet_comes_last_with_its_weights():
    cost = arithmetic("googlenet")
    spare = [one for one in cost.layers if one.name.startswith("auxiliary")]
    assert spare == list(cost.layers[-len(spare) :])
    assert sum(one.params for one in spare) == 3_188_968 + 3_191_016
    assert all(one.macs == 0 and one.output == () for one in spare)


def test_a_network_of_ones_own_stays_as_it_is():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    network[1].eval()
    before = {name: one.clone() for name, one in network.state_dict().items()}

    cost = arithmetic(network, input_size=(9, 9), in_channels=1)

    assert cost.params == 2 * 9 + 2 + 4
    assert [one.training for one in network] == [True, False, True]
    assert network[0].weight.device.type == "cpu"
    assert not network[0]._forward_hooks
    for name, one in network.state_dict().items():
        assert torch.equal(one, before[name])


def test_a_layer_used_twice_stands_where_it_is_used_last_with_the_work_of_both():
    again = nn.Conv2d(3, 3, 3, padding=1)
    cost = arithmetic(nn.Sequential(again, nn.ReLU(), again), input_size=(8, 8))

    assert [one.name for one in cost.layers] == ["1", "0"]
    assert cost.layers[1].macs == cost.macs == 2 * 9 * 9 * 64
    assert cost.layers[1].receptive_field == 5
    assert cost.params == 9 * 9 + 3


def test_weights_that_two_layers_share_count_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    cost = arithmetic(nn.Sequential(nn.Flatten(), first, second), input_size=(2, 2), in_channels=1)

    assert cost.params == 16 + 4 + 4
    assert cost.macs == 2 * 16


def test_a_head_for_maps_of_one_size_is_counted_and_fields_are_followed_up_to_it():
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
    cost = arithmetic(network, input_size=(28, 28), in_channels=1)

    assert [one.receptive_field for one in cost.layers] == [3, None, None]
    assert cost.layers[-1].macs == 8 * 26 * 26 * 10


def test_dilated_windows_reach_further_and_after_oblong_ones_nothing_is_followed():
    dilated = nn.Sequential(nn.MaxPool2d(3, 1, dilation=2), nn.Conv2d(1, 1, 3))
    oblong = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, (7, 1)), nn.Conv2d(1, 1, 3))
    fields = [
        [one.receptive_field for one in arithmetic(net, input_size=(28, 28), in_channels=1).layers]
        for net in (dilated, oblong)
    ]
    assert fields == [[5, 7], [3, None, None]]


@pytest.mark.parametrize(("dims", "kind"), [(1, "MaxPool1d 3 /2"), (3, "MaxPool3d 3x3x3 /2")])
def test_signals_and_volumes_have_windows_of_their_own(dims, kind):
    pool = next(one for one in arithmetic("resnet18", dims=dims).layers if "Pool" in one.kind)
    assert (pool.kind, pool.stride, pool.receptive_field) == (kind, 4, 11)


def test_without_fields_all_else_is_the_same():
    whole, cost = arithmetic("resnet18"), arithmetic("resnet18", fields=False)
    assert (cost.params, cost.macs, cost.kept_bytes) == (
        whole.params, whole.macs, whole.kept_bytes
    )  # fmt: skip
    assert {one.receptive_field for one in cost.layers} == {None}


def test_kinds():
    assert kind_of(nn.MaxPool2d(3, 2)) == "MaxPool2d 3x3 /2"
    assert kind_of(nn.MaxPool2d(2, stride=(2, 1))) == "MaxPool2d 2x2 /2x1"
    assert kind_of(nn.MaxPool2d((3, 2), stride=2)) == "MaxPool2d 3x2 /2"
    assert kind_of(nn.LPPool2d(2, 2)) == "LPPool2d 2x2 /2"
    assert kind_of(nn.Conv3d(2, 2, (1, 3, 3), (1, 2, 2))) == "Conv3d 1x3x3 /1x2x2"
    assert kind_of(nn.ReLU()) == "ReLU"


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        arithmetic("resnet81")
    with pytest.raises(UsageError, match=r"expected: input_size=\(height, width\)"):
        arithmetic(nn.Conv2d(3, 1, 1))
    with pytest.raises(UsageError, match="a network was given with num_classes"):
        arithmetic(nn.Conv2d(3, 1, 1), input_size=(8, 8), num_classes=3)
    with pytest.raises(ShapeError):
        arithmetic("resnet18", input_size=(8, 0))
    with pytest.raises(ShapeError, match="the network cannot take an input of 4 x 8 x 8"):
        arithmetic(nn.Conv2d(3, 1, 1), input_size=(8, 8), in_channels=4)
    with pytest.raises(ShapeError, match="a size of 2 sides for a network of 1 dim"):
        arithmetic("resnet18", input_size=(64, 64), dims=1)
