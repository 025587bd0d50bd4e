"""Local response normalisation: values beside large values become smaller."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ResponseNorm(nn.Module):
    """x / (k + alpha * S) ** beta, S the sum of squares of the `size` channels around x's own.

    Krizhevsky et al. 2012, section 3.3, with the paper's constants. [B, C, H, W] -> the same.
    Beyond the first and last channel there is nothing to add. The sum is not divided by `size`,
    as it is in torch's `LocalResponseNorm`, where the same layer has an alpha of 5e-4; and its
    gradient is deterministic on CUDA, which torch's is not.
    """

    def __init__(
        self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """The normalised values."""
        channels, before = x.shape[1], self.size // 2
        after = self.size - 1 - before
        squares = functional.pad(x.square(), (0, 0, 0, 0, before, after))
        total = squares[:, :channels]
        for shift in range(1, self.size):
            total = total + squares[:, shift : shift + channels]
        return x * (self.k + self.alpha * total) ** -self.beta

    def extra_repr(self) -> str:
        """The constants, when the network is printed."""
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class SpatialResponseNorm(nn.Module):
    """x / (1 + alpha * M) ** beta, M the mean square of the `size` x `size` cells around x.

    The mean is that of the same channel, cells outside the map counting as zeros: Caffe's
    normalisation "within channel". [B, C, H, W] -> the same. `size` is odd.
    """

    def __init__(self, size: int = 3, *, alpha: float = 5e-5, beta: float = 0.75) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """The normalised values."""
        mean = functional.avg_pool2d(x.square(), self.size, stride=1, padding=self.size // 2)
        return x * (1 + self.alpha * mean) ** -self.beta

    def extra_repr(self) -> str:
        """The constants, when the network is printed."""
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}"
