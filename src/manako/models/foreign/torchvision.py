"""torchvision's classification weights, in our names.

Our backbones carry torchvision's parameter names; a classifier keeps them under `backbone`, and
torchvision's last layer `fc` is our `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a torchvision ResNet with the names of a `Classifier`.

    >>> import torch
    >>> sorted(from_torchvision({"fc.bias": torch.zeros(2), "bn1.bias": torch.zeros(2)}))
    ['backbone.bn1.bias', 'head.bias']
    """
    return {_our_name(name): tensor for name, tensor in tensors.items()}


def _our_name(name: str) -> str:
    if name.startswith("fc."):
        return "head." + name.removeprefix("fc.")
    return "backbone." + name
