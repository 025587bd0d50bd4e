"""The layer norm of maps: each pixel over its channels."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel of a map: [B, C, H, W] -> the same.

    Ba et al. 2016, https://arxiv.org/abs/1607.06450, as ConvNeXt and Swin use it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The normalised map."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
