"""torchvision's classification weights, in our names.

Our backbones carry torchvision's parameter names where that library has the network; a classifier
keeps them under `backbone`, and the last layer is our `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from manako.models.foreign.renaming import Family, rename

ALEXNET = Family(
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
)
VGG = Family(  # each has a convolution in one of these two places, and no other network has
    mark=r"features[.]1[12][.]weight",
    rules=(
        (r"classifier[.]0[.]", "head.fc6."),
        (r"classifier[.]3[.]", "head.fc7."),
        (r"classifier[.]6[.]", "head.fc8."),
    ),
)
GOOGLENET = Family(
    mark=r"inception3a[.]",
    rules=(
        (r"fc[.]", "head."),
        (r"aux1[.]", "auxiliary.4a."),
        (r"aux2[.]", "auxiliary.4d."),
    ),
)
RESNET = Family(mark=r"layer1[.]0[.]conv1[.]", rules=((r"fc[.]", "head."),))
DENSENET = Family(
    mark=r"features[.]denseblock1[.]",
    rules=(
        # The published files are older than torchvision's names: norm.1 is norm1 today.
        (r"features[.](denseblock\d+[.]denselayer\d+)[.](norm|conv)[.]?(\d)", r"\1.\2\3"),
        (r"features[.]", ""),
        (r"classifier[.]", "head."),
    ),
)
EFFICIENTNET = Family(
    mark=r"features[.]1[.]0[.]block[.]1[.]fc1[.]", rules=((r"classifier[.]1[.]", "head."),)
)
CONVNEXT = Family(
    mark=r"features[.]1[.]0[.]layer_scale",
    rules=((r"classifier[.]0[.]", "mean_norm."), (r"classifier[.]2[.]", "head.")),
)
SWIN = Family(
    mark=r"features[.]1[.]0[.]attn[.]relative_position_bias_table",
    rules=(
        (r"features[.]0[.]0[.]", "features.0.proj."),
        (r"features[.]0[.]2[.]", "features.0.norm."),
        (r"(features[.]\d+[.]\d+[.]mlp)[.]3[.]", r"\1.2."),
        (r"norm[.]", "map_norm."),
    ),
    dropped=r"relative_position_index\Z",
)
_VIT_BLOCK = r"encoder[.]layers[.]encoder_layer_(\d+)[.]"
VIT = Family(
    mark=_VIT_BLOCK,
    rules=(
        (r"conv_proj[.]", "patches."),
        (r"class_token\Z", "tokens.class_token"),
        (r"encoder[.]pos_embedding\Z", "tokens.positions"),
        (rf"{_VIT_BLOCK}ln_([12])[.]", r"encoder.blocks.\1.norm\2."),
        (rf"{_VIT_BLOCK}self_attention[.]in_proj_", r"encoder.blocks.\1.attention.qkv."),
        (rf"{_VIT_BLOCK}self_attention[.]out_proj[.]", r"encoder.blocks.\1.attention.proj."),
        # The published files are older than torchvision's names: linear_1 is mlp.0 today.
        (rf"{_VIT_BLOCK}mlp[.](?:0|linear_1)[.]", r"encoder.blocks.\1.mlp.fc1."),
        (rf"{_VIT_BLOCK}mlp[.](?:3|linear_2)[.]", r"encoder.blocks.\1.mlp.fc2."),
        (r"encoder[.]ln[.]", "encoder.norm."),
        (r"heads[.]head[.]", "head."),
    ),
)
FAMILIES = (ALEXNET, VGG, GOOGLENET, RESNET, DENSENET, EFFICIENTNET, CONVNEXT, SWIN, VIT)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a torchvision classifier with our names.

    >>> import torch
    >>> sorted(from_torchvision({name: torch.zeros(2) for name in ("fc.bias", "layer1.0.conv1.w")}))
    ['backbone.layer1.0.conv1.w', 'head.bias']
    """
    return rename(tensors, FAMILIES)
