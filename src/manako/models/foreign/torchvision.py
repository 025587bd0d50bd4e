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
    Family(  # AlexNet
        mark=r"classifier[.]4[.]",
        rules=(
            (r"features[.]0[.]", "conv1."),
            (r"features[.]3[.]", "conv2."),
            (r"features[.]6[.]", "conv3."),
            (r"features[.]8[.]", "conv4."),
            (r"features[.]10[.]", "conv5."),
            (r"classifier[.]1[.]", "head.fc6."),
            (r"classifier[.]4[.]", "head.fc7."),
            (r"classifier[.]6[.]", "head.fc8."),
        ),
    ),
    Family(  # VGG: each has a convolution in one of these two places, and no other network has
        mark=r"features[.]1[12][.]weight",
        rules=(
            (r"classifier[.]0[.]", "head.fc6."),
            (r"classifier[.]3[.]", "head.fc7."),
            (r"classifier[.]6[.]", "head.fc8."),
        ),
    ),
)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a torchvision classifier with our names.

    >>> import torch
    >>> sorted(from_torchvision({name: torch.zeros(2) for name in ("fc.bias", "layer1.0.conv1.w")}))
    ['backbone.layer1.0.conv1.w', 'head.bias']
    """
    return rename(tensors, FAMILIES)
