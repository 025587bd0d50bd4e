"""timm's classification weights, in our names.

A head that timm keeps as a 1x1 convolution becomes a linear layer: the same numbers, two dimensions
fewer.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename
from manako.models.foreign.torchvision import DENSENET

RESNETV2 = Family(
    mark=r"stages[.]0[.]blocks[.]0[.]conv1[.]weight",
    rules=(
        (r"stem[.]conv[.]", "conv1."),
        (r"head[.]fc[.]", "head."),
        *(
            (
                rf"stages[.]{n}[.]blocks[.](\d+)[.]downsample[.]conv[.]",
                rf"layer{n + 1}.\1.downsample.",
            )
            for n in range(4)
        ),
        *((rf"stages[.]{n}[.]blocks[.]", f"layer{n + 1}.") for n in range(4)),
    ),
)
FAMILIES = (DENSENET, RESNETV2)


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a timm classifier with our names.

    >>> import torch
    >>> found = from_timm({
    ...     "stages.0.blocks.0.conv1.weight": torch.zeros(2),
    ...     "head.fc.weight": torch.zeros(5, 8, 1, 1),
    ... })
    >>> {name: tuple(tensor.shape) for name, tensor in found.items()}
    {'backbone.layer1.0.conv1.weight': (2,), 'head.weight': (5, 8)}
    """
    ours = rename(tensors, FAMILIES)
    if "head.weight" in ours:
        ours["head.weight"] = ours["head.weight"].flatten(1)
    return ours
