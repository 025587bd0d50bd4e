"""timm's classification weights, in our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

FAMILIES = (
    # PoolFormer. timm takes the mean before the last norm; the authors, whose weights these are,
    # and we after it.
    Family(
        mark=r"stages[.]0[.]blocks[.]0[.]layer_scale1[.]",
        rules=(
            (r"stem[.]conv[.]", "levels.0.embedding."),
            (r"stages[.](\d)[.]downsample[.]conv[.]", r"levels.\1.embedding."),
            (r"stages[.]", "levels."),
            (r"head[.]norm[.]", "map_norm."),
            (r"head[.]fc[.]", "head."),
        ),
    ),
)


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a timm classifier with our names.

    >>> import torch
    >>> names = ("stages.0.blocks.0.layer_scale1.scale", "head.norm.bias", "head.fc.bias")
    >>> sorted(from_timm({name: torch.zeros(2) for name in names}))
    ['backbone.levels.0.blocks.0.layer_scale1.scale', 'head.bias', 'map_norm.bias']
    """
    return rename(tensors, FAMILIES)
