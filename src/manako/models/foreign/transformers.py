"""The weights of transformers' image classifiers, in our names.

Its files have kept the names that its networks had before version 5. ViT is read with the new
names, too; the others are not written with theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

_POOLFORMER_BLOCK = r"poolformer[.]encoder[.]block[.](\d+)[.](\d+)[.]"
POOLFORMER = Family(
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
)

_VIT = r"(?:vit[.])?"  # not in a file of a network without a head
_VIT_BLOCK = rf"{_VIT}(?:encoder[.]layer|layers)[.](\d+)[.]"
VIT = Family(  # ViTForImageClassification, ViTModel
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
    dropped=rf"\A{_VIT}pooler[.]",
)

_SWIN_BLOCK = {
    r"layernorm_before[.]": "norm1.",
    r"layernorm_after[.]": "norm2.",
    r"attention[.]self[.]": "attn.",
    r"attention[.]output[.]dense[.]": "attn.proj.",
    r"intermediate[.]dense[.]": "mlp.0.",
    r"output[.]dense[.]": "mlp.2.",
}


def _swin() -> Family:
    rules = [
        (r"swin[.]embeddings[.]patch_embeddings[.]projection[.]", "features.0.proj."),
        (r"swin[.]embeddings[.]norm[.]", "features.0.norm."),
        (r"swin[.]layernorm[.]", "map_norm."),
        (r"classifier[.]", "head."),
    ]
    for stage in range(4):
        theirs = rf"swin[.]encoder[.]layers[.]{stage}[.]"
        rules.append((theirs + r"downsample[.]", f"features.{2 * stage + 2}."))
        rules += [
            (rf"{theirs}blocks[.](\d+)[.]{name}", rf"features.{2 * stage + 1}.\1.{ours}")
            for name, ours in _SWIN_BLOCK.items()
        ]
    return Family(
        mark=r"swin[.]encoder[.]layers[.]0[.]blocks[.]0[.]attention[.]self[.]query[.]",
        rules=tuple(rules),
        joined=(("qkv", ("query", "key", "value")),),
        dropped=r"relative_position_index\Z",
    )


FAMILIES = (POOLFORMER, VIT, _swin())


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
