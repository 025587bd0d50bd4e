"""timm's classification weights, in our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename


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
    _swin(head=r"head[.]", merging_after=True),  # before timm 0.9, and the paper's code
    _swin(head=r"head[.]fc[.]", merging_after=False),
)


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a timm classifier with our names.

    >>> import torch
    >>> table = "layers.0.blocks.0.attn.relative_position_bias_table"
    >>> sorted(from_timm({name: torch.zeros(2) for name in ("head.fc.bias", table)}))
    ['backbone.features.1.0.attn.relative_position_bias_table', 'head.bias']
    """
    return rename(tensors, FAMILIES)
