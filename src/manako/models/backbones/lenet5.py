"""LeNet-5 in its modern form, a whole classifier.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
section II-B. What differs from the paper, as in every textbook today: the second convolution sees
all maps of the first (the paper connects them by a table), pooling has no trained coefficients,
the output is a linear layer for a softmax (the paper: distances to drawn bitmaps), the tanh is not
scaled, and weights start from torch's default (uniform within 1 / sqrt(inputs)).

Shapes: images [B, C, 28, 28], or [B, C, 32, 32] with `size=32`; logits [B, K].
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from manako.errors import ShapeError
from manako.models.protocols import ClassRows


class LeNet5(nn.Module):
    """Two convolutions and three linear layers.

    `activation="tanh"` pools by the mean, which is nearest to the paper; `"relu"` pools by the
    maximum, as is usual today. `size=28` pads the picture by two pixels, `size=32` by none.

    >>> model = LeNet5(num_classes=10, in_channels=1)
    >>> sum(parameter.numel() for parameter in model.parameters())
    61706
    """

    size_multiple = 1

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        size: Literal[28, 32] = 28,
        activation: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__()
        self.fixed_size_hw = (size, size)
        self.least_side = size
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2 if size == 28 else 0)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.head = nn.Linear(84, num_classes)
        self.activation = nn.Tanh() if activation == "tanh" else nn.ReLU()
        self.pool = nn.AvgPool2d(2) if activation == "tanh" else nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]. Raises ShapeError for pictures of another size."""
        if images.shape[-2:] != self.fixed_size_hw:
            height, width = images.shape[-2:]
            raise ShapeError(
                f"LeNet-5 cannot take pictures of {height} x {width} pixels",
                expected="{} x {}".format(*self.fixed_size_hw),
                fix="resize the pictures, or choose the option size=28 or size=32",
            )
        x = self.pool(self.activation(self.conv1(images)))  # [B, 6, 14, 14]
        x = self.pool(self.activation(self.conv2(x)))  # [B, 16, 5, 5]
        x = self.activation(self.fc1(x.flatten(1)))
        x = self.activation(self.fc2(x))
        return self.head(x)  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Layer by layer."""
        return (("conv1",), ("conv2",), ("fc1",), ("fc2",), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The last linear layer has one row for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}
