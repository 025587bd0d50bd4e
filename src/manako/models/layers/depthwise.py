"""The convolution that filters each channel by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DepthwiseConv2d(nn.Conv2d):
    """One filter for every channel: [B, C, H, W] -> [B, C, H / stride, W / stride], rounded up.

    Howard et al. 2017, https://arxiv.org/abs/1704.04861, equation 3. Padded so that only the stride
    changes the size; `kernel` is odd.

    Where gradients are recorded under the CPU's autocast, it computes in float32 all the same: the
    kernels that torch has for its gradients in bfloat16 take several times as long.

    >>> DepthwiseConv2d(16, kernel=5, stride=2)(torch.ones(1, 16, 9, 9)).shape
    torch.Size([1, 16, 5, 5])
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__(
            channels, channels, kernel, stride, padding=kernel // 2, groups=channels, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """The filtered map."""
        if not (torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            filtered = super().forward(x.float())
        return filtered.to(torch.get_autocast_dtype("cpu"))
