"""The weights of transformers' image classifiers, in our names.

Its files have kept the names that its networks had before version 5; both are read.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

_VIT = r"(?:vit[.])?"  # not in a file of a network without a head
_VIT_BLOCK = rf"{_VIT}(?:encoder[.]layer|layers)[.](\d+)[.]"

FAMILIES = (
    Family(  # ViTForImageClassification, ViTModel
        mark=rf"{_VIT_BLOCK}layernorm_before[.]",
        rules=(
            (rf"{_VIT}embeddings[.]patch_embeddings[.]projection[.]", "patches."),
            (rf"{_VIT}embeddings[.]cls_token\Z", "tokens.class_token"),
            (rf"{_VIT}embeddings[.]position_embeddings\Z", "tokens.positions"),
            (rf"{_VIT_BLOCK}layernorm_before[.]", r"encoder.blocks.\1.norm1."),
            (rf"{_VIT_BLOCK}layernorm_after[.]", r"encoder.blocks.\1.norm2."),
            (
                rf"{_VIT_BLOCK}attention[.](?:attention[.](?=[qkv])|(?=[qkv]_proj))",
                r"encoder.blocks.\1.attention.",
            ),
            (
                rf"{_VIT_BLOCK}attention[.](?:output[.]dense|o_proj)[.]",
                r"encoder.blocks.\1.attention.proj.",
            ),
            (rf"{_VIT_BLOCK}(?:intermediate[.]dense|mlp[.]fc1)[.]", r"encoder.blocks.\1.mlp.fc1."),
            (rf"{_VIT_BLOCK}(?:output[.]dense|mlp[.]fc2)[.]", r"encoder.blocks.\1.mlp.fc2."),
            (rf"{_VIT}layernorm[.]", "encoder.norm."),
            (r"classifier[.]", "head."),
        ),
        joined=(("qkv", ("query", "key", "value")), ("qkv", ("q_proj", "k_proj", "v_proj"))),
        dropped=rf"{_VIT}pooler[.]",
    ),
)


def from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of an image classifier of transformers with our names.

    >>> import torch
    >>> parts = [f"attention.attention.{part}" for part in ("query", "key", "value")]
    >>> names = [f"vit.encoder.layer.0.{part}.bias" for part in (*parts, "layernorm_before")]
    >>> found = from_transformers({name: torch.zeros(2) for name in names})
    >>> found["backbone.encoder.blocks.0.attention.qkv.bias"].shape
    torch.Size([6])
    """
    return rename(tensors, FAMILIES)
