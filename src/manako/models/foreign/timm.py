"""timm's classification weights, in our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

FAMILIES = (
    Family(  # ViT and DeiT, the hybrid ones included
        mark=r"blocks[.]0[.]attn[.]qkv[.]",
        rules=(
            (r"patch_embed[.]backbone[.]stem[.]", "stem."),
            (r"patch_embed[.]backbone[.]stages[.](\d+)[.]blocks[.]", r"stem.layers.\1."),
            (r"patch_embed[.]proj[.]", "patches."),
            (r"cls_token\Z", "tokens.class_token"),
            (r"pos_embed\Z", "tokens.positions"),
            (r"blocks[.](\d+)[.]attn[.]", r"encoder.blocks.\1.attention."),
            (r"blocks[.]", "encoder.blocks."),
            (r"norm[.]", "encoder.norm."),
        ),
    ),
)


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a timm classifier with our names.

    >>> import torch
    >>> names = ("cls_token", "blocks.0.attn.qkv.bias", "head.bias")
    >>> sorted(from_timm({name: torch.zeros(2) for name in names}))
    ['backbone.encoder.blocks.0.attention.qkv.bias', 'backbone.tokens.class_token', 'head.bias']
    """
    return rename(tensors, FAMILIES)
