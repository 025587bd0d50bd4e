"""torchvision's classification weights, in our names.

Our backbones carry torchvision's parameter names where that library has the network; a classifier
keeps them under `backbone`, and the last layer is our `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

_VIT_BLOCK = r"encoder[.]layers[.]encoder_layer_(\d+)[.]"

FAMILIES = (
    Family(mark=r"layer1[.]0[.]conv1[.]", rules=((r"fc[.]", "head."),)),  # ResNet
    Family(  # ViT; its published files have the older names of the MLPs' layers
        mark=rf"{_VIT_BLOCK}",
        rules=(
            (r"conv_proj[.]", "patches."),
            (r"class_token\Z", "tokens.class_token"),
            (r"encoder[.]pos_embedding\Z", "tokens.positions"),
            (rf"{_VIT_BLOCK}ln_([12])[.]", r"encoder.blocks.\1.norm\2."),
            (rf"{_VIT_BLOCK}self_attention[.]in_proj_", r"encoder.blocks.\1.attention.qkv."),
            (rf"{_VIT_BLOCK}self_attention[.]out_proj[.]", r"encoder.blocks.\1.attention.proj."),
            (rf"{_VIT_BLOCK}mlp[.](?:0|linear_1)[.]", r"encoder.blocks.\1.mlp.fc1."),
            (rf"{_VIT_BLOCK}mlp[.](?:3|linear_2)[.]", r"encoder.blocks.\1.mlp.fc2."),
            (r"encoder[.]ln[.]", "encoder.norm."),
            (r"heads[.]head[.]", "head."),
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
