"""torchvision's classification weights, in our names.

Our backbones carry torchvision's parameter names where that library has the network; a classifier
keeps them under `backbone`, and the last layer is our `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

DENSENET = Family(
    mark=r"features[.]denseblock1[.]",
    rules=(
        # The published files are older than torchvision's names: norm.1 is norm1 today.
        (r"features[.](denseblock\d+[.]denselayer\d+)[.](norm|conv)[.]?(\d)", r"\1.\2\3"),
        (r"features[.]", ""),
        (r"classifier[.]", "head."),
    ),
)
FAMILIES = (
    DENSENET,
    Family(mark=r"layer1[.]0[.]conv1[.]", rules=((r"fc[.]", "head."),)),  # ResNet
    Family(  # Swin Transformer
        mark=r"features[.]1[.]0[.]attn[.]relative_position_bias_table",
        rules=(
            (r"features[.]0[.]0[.]", "features.0.proj."),
            (r"features[.]0[.]2[.]", "features.0.norm."),
            (r"(features[.]\d+[.]\d+[.]mlp)[.]3[.]", r"\1.2."),
            (r"norm[.]", "map_norm."),
        ),
        dropped=("relative_position_index",),
    ),
)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a torchvision classifier with our names.

    >>> import torch
    >>> sorted(from_torchvision({name: torch.zeros(2) for name in ("fc.bias", "layer1.0.conv1.w")}))
    ['backbone.layer1.0.conv1.w', 'head.bias']
    """
    return rename(tensors, FAMILIES)
