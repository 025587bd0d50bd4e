"""The classification weights of Hugging Face's transformers, in our names.

Its files keep the names of its version 4; what version 5 calls its tensors in memory is not
written to files.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

_SWIN_BLOCK = {
    r"layernorm_before[.]": "norm1.",
    r"layernorm_after[.]": "norm2.",
    r"attention[.]self[.]qkv[.]": "attn.qkv.",
    r"attention[.]self[.]relative_position_bias_table": "attn.relative_position_bias_table",
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
        dropped=("relative_position_index",),
        joined=((".self.query.", ".self.key.", ".self.value."), ".self.qkv."),
    )


FAMILIES = (_swin(),)


def from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a classifier of transformers with our names.

    >>> import torch
    >>> part = "swin.encoder.layers.0.blocks.0.attention.self"
    >>> names = [f"{part}.{one}.bias" for one in ("query", "key", "value")]
    >>> found = from_transformers({name: torch.zeros(2) for name in names})
    >>> {name: len(tensor) for name, tensor in found.items()}
    {'backbone.features.1.0.attn.qkv.bias': 6}
    """
    return rename(tensors, FAMILIES)
