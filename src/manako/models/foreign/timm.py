"""timm's classification weights, in our names.

For networks that torchvision does not have; our backbones then carry timm's parameter names, and
the last layer is our `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

FAMILIES = (
    # MobileNet v1. All networks that timm builds with its class EfficientNet have these names;
    # of those that are not here some tensors find no place, and are refused.
    Family(mark=r"conv_stem[.]", rules=((r"classifier[.]", "head."),)),
)


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a timm classifier with our names.

    >>> import torch
    >>> sorted(from_timm({name: torch.zeros(2) for name in ("conv_stem.w", "classifier.bias")}))
    ['backbone.conv_stem.w', 'head.bias']
    """
    return rename(tensors, FAMILIES)
