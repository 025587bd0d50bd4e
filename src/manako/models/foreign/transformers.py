"""transformers' classification weights, in our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

_POOLFORMER_BLOCK = r"poolformer[.]encoder[.]block[.](\d+)[.](\d+)[.]"

FAMILIES = (
    Family(
        mark=r"poolformer[.]",
        rules=(
            (
                r"poolformer[.]encoder[.]patch_embeddings[.](\d)[.]projection",
                r"levels.\1.embedding",
            ),
            (_POOLFORMER_BLOCK + r"before_norm", r"levels.\1.blocks.\2.norm1"),
            (_POOLFORMER_BLOCK + r"after_norm", r"levels.\1.blocks.\2.norm2"),
            (_POOLFORMER_BLOCK + r"output[.]conv(\d)", r"levels.\1.blocks.\2.mlp.fc\3"),
            (_POOLFORMER_BLOCK + r"layer_scale_(\d)", r"levels.\1.blocks.\2.layer_scale\3.scale"),
            (r"norm[.]", "map_norm."),
            (r"classifier[.]", "head."),
        ),
    ),
)


def from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a transformers classifier with our names.

    >>> import torch
    >>> names = ("poolformer.encoder.block.3.0.after_norm.bias", "classifier.bias")
    >>> sorted(from_transformers({name: torch.zeros(2) for name in names}))
    ['backbone.levels.3.blocks.0.norm2.bias', 'head.bias']
    """
    return rename(tensors, FAMILIES)
