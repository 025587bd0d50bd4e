"""Networks for signals [B, C, L] and volumes [B, C, D, H, W], made from those for pictures.

A plain convolutional network is the same network in one or three dimensions: a filter of 3 x 3
becomes one of 3, or of 3 x 3 x 3, and so do windows, strides and padding; norms and linear layers
stay. What is drawn at the start is drawn anew with the same law, whose variance goes with one over
the elements of a filter.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal, cast

import torch
from torch import nn

from manako.errors import UsageError
from manako.models.fully_connected import FullyConnectedClassifier
from manako.models.layers.bins import MeanBins

Dimensions = Literal[1, 2, 3]
PLAIN = (
    "alexnet",
    "all_cnn_c",
    "densenet*",
    "efficientnet_*",
    "mobilenetv1_*",
    "preact_resnet*",
    "resnet*",
    "vgg*",
    "wide_resnet*",
    "wrn_*",
)
"""Names, as shell patterns, of the networks of which every part has its kin in one and three."""

_CONVOLUTIONS = {1: nn.Conv1d, 3: nn.Conv3d}
_NORMS = {1: nn.BatchNorm1d, 3: nn.BatchNorm3d}
_MAX_POOLS = {1: nn.MaxPool1d, 3: nn.MaxPool3d}
_AVERAGE_POOLS = {1: nn.AvgPool1d, 3: nn.AvgPool3d}


def to_dimensions(name: str, network: nn.Module, dims: Dimensions) -> nn.Module:
    """`network`, called `name`, for signals (1) or volumes (3), its weights drawn anew.

    The network given is changed. Raises UsageError for one that is not plain.

    >>> from manako.models.zoo import create_model
    >>> create_model("resnet18", dims=1).backbone.conv1
    Conv1d(3, 64, kernel_size=(7,), stride=(2,), padding=(3,), bias=False)
    """
    if dims == 2:
        return network
    if dims not in (1, 3) or not any(fnmatchcase(name, pattern) for pattern in PLAIN):
        raise UsageError(
            f"{name} is not known for {dims} dimensions",
            expected=f"dims of 1, 2 or 3, and for 1 and 3 one of {', '.join(PLAIN)}",
            fix="choose a plain convolutional network, such as resnet18",
        )
    if isinstance(network, FullyConnectedClassifier) and isinstance(network.pool, MeanBins):
        _refill_first_layer(network, network.pool.count ** (dims - 2))
    for module in list(network.modules()):
        for child_name, child in module.named_children():
            setattr(module, child_name, _kin(child, dims))
    return network


def _kin(layer: nn.Module, dims: Literal[1, 3]) -> nn.Module:
    """The layer's kin in `dims` dimensions; layers that have none are the same in all."""
    match layer:
        case nn.Conv2d():
            return _convolution(layer, dims)
        case nn.BatchNorm2d():
            norm = _NORMS[dims](layer.num_features, layer.eps, layer.momentum)
            norm.load_state_dict(layer.state_dict())  # some start at zero
            return cast("nn.Module", norm.to(layer.weight.device))
        case nn.MaxPool2d():
            kernel, stride, padding = map(_side, (layer.kernel_size, layer.stride, layer.padding))
            return _MAX_POOLS[dims](kernel, stride, padding, ceil_mode=layer.ceil_mode)
        case nn.AvgPool2d():
            kernel, stride, padding = map(_side, (layer.kernel_size, layer.stride, layer.padding))
            pool: nn.Module = _AVERAGE_POOLS[dims](
                kernel, stride, padding, layer.ceil_mode, layer.count_include_pad
            )
            return pool
    return layer


def _convolution(layer: nn.Conv2d, dims: Literal[1, 3]) -> nn.Module:
    side = _side(layer.kernel_size)
    kin = _CONVOLUTIONS[dims](
        layer.in_channels,
        layer.out_channels,
        side,
        _side(layer.stride),
        _side(cast("tuple[int, ...]", layer.padding)),
        groups=layer.groups,
        bias=layer.bias is not None,
        device=layer.weight.device,
    )
    _draw_alike(kin.weight, layer.weight, side**2 / side**dims)
    if layer.bias is not None and kin.bias is not None:
        kin.bias.data.copy_(layer.bias.data)
    return kin


def _draw_alike(weight: torch.Tensor, like: torch.Tensor, variance_factor: float) -> None:
    """Normal values of the variance of `like` times the factor; constants stay constants."""
    with torch.no_grad():
        if like.is_meta:
            return
        deviation = float(like.std(correction=0)) * variance_factor**0.5
        weight.normal_(float(like.mean()) if deviation == 0 else 0.0, deviation)


def _refill_first_layer(network: FullyConnectedClassifier, factor: float) -> None:
    """The layer after the bins, of which there are `factor` times as many."""
    before = network.head.fc6
    after = nn.Linear(
        round(before.in_features * factor), before.out_features, device=before.weight.device
    )
    _draw_alike(after.weight, before.weight, 1 / factor)
    after.bias.data.copy_(before.bias.data)
    network.head.fc6 = after


def _side(size: int | tuple[int, ...]) -> int:
    """The one side of a square."""
    sides = {size} if isinstance(size, int) else set(size)
    assert len(sides) == 1, "plain networks have square windows"
    return sides.pop()


def channels_last(network: nn.Module) -> nn.Module:
    """The network with the channels of a place side by side in memory, where torch has that."""
    volumes = any(one.ndim == 5 for one in network.parameters())
    form = torch.channels_last_3d if volumes else torch.channels_last
    return network.to(memory_format=form)
