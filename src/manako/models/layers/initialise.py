"""Starting values of weights."""

from __future__ import annotations

import torch
from torch import nn

PIXEL_DEVIATION = 57.0
"""The standard deviation of ImageNet's pixels, of 255. Early networks are given pixels less their
mean, and their starts and constants suit values of that size: they multiply pictures, which come
to a model with a deviation of about 1, by this number."""


def kaiming_normal(module: nn.Module) -> None:
    """Draw every convolution inside `module` from N(0, sqrt(2 / n)) and set its bias to zero.

    n is the kernel area times the number of output channels that an input channel meets ("fan
    out"; in a depthwise convolution one), so that the size of the gradients is kept from layer to
    layer (He et al. 2015, https://arxiv.org/abs/1502.01852, eq. 14). Batch norm is left as torch
    makes it: scale one, shift zero.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            with torch.no_grad():
                layer.weight.mul_(layer.groups**0.5)  # torch counts the outputs of all groups
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def normal(module: nn.Module, std: float) -> None:
    """Draw every convolution and linear layer inside `module` from N(0, `std`); biases are zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def truncated_normal(module: nn.Module, std: float = 0.02) -> None:
    """Draw the weights of convolutions and linear layers inside `module` from N(0, std).

    What is further from zero than 2 is drawn again. Biases become zero, norms are left alone.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
