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


def _swin(head: str, merging_after: bool) -> Family:
    """Swin Transformer; its patch merging stands before a stage or `merging_after` it."""
    rules = [(r"patch_embed[.]", "features.0."), (r"norm[.]", "map_norm."), (head, "head.")]
    for stage in range(4):
        ours = 2 * stage + 1
        theirs = rf"layers[.]{stage}[.]blocks[.](\d+)[.]"
        merging = ours + 1 if merging_after else ours - 1
        rules += [
            (theirs + r"mlp[.]fc1[.]", rf"features.{ours}.\1.mlp.0."),
            (theirs + r"mlp[.]fc2[.]", rf"features.{ours}.\1.mlp.2."),
            (theirs, rf"features.{ours}.\1."),
            (rf"layers[.]{stage}[.]downsample[.]", f"features.{merging}."),
        ]
    return Family(
        mark=r"layers[.]0[.]downsample[.]reduction[.]"
        if merging_after
        else r"layers[.]0[.]blocks[.]0[.]attn[.]relative_position_bias_table",
        rules=tuple(rules),
        dropped=("relative_position_index", "attn_mask"),
    )


FAMILIES = (
    DENSENET,
    RESNETV2,
    _swin(head=r"head[.]", merging_after=True),  # before timm 0.9, and the paper's code
    _swin(head=r"head[.]fc[.]", merging_after=False),
)


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
