"""A classifier that ends in three fully connected layers, as AlexNet, VGG and SPP-net do."""

from __future__ import annotations

from torch import Tensor, nn

from manako.errors import UsageError
from manako.models.layers.dropout import Dropout
from manako.models.protocols import Backbone, ClassRows
from manako.models.stages import inside


class FullyConnectedHead(nn.Module):
    """Two hidden layers with ReLU and dropout, then the logits: [B, features] -> [B, K].

    The layers have the names that these networks gave them, fc6, fc7 and fc8, for five
    convolutional ones (or, in VGG, groups of them) come before. `dropout` are the shares of values
    left out in training before fc6, fc7 and fc8. Raises UsageError for values that cannot be.
    """

    def __init__(
        self,
        features: int,
        num_classes: int,
        *,
        hidden: int = 4096,
        dropout: tuple[float, float, float] = (0.0, 0.5, 0.5),
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise UsageError(f"hidden must be 1 or more, not {hidden}")
        self.drop6, self.drop7, self.drop8 = (Dropout(share) for share in dropout)
        self.fc6 = nn.Linear(features, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, K]."""
        x = self.relu(self.fc6(self.drop6(x)))
        x = self.relu(self.fc7(self.drop7(x)))
        return self.fc8(self.drop8(x))  # type: ignore[no-any-return]


class FullyConnectedClassifier(nn.Module):
    """images [B, C, H, W] -> logits [B, K].

    `backbone` must be a `torch.nn.Module` too. `pool` brings its deepest map, of any size, to the
    number of values that `head` takes.
    """

    size_multiple = 1

    def __init__(self, backbone: Backbone, pool: nn.Module, head: FullyConnectedHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.deepest = max(backbone.channels)
        self.pool = pool
        self.head = head

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        deepest = self.backbone(images)[self.deepest]
        return self.head(self.pool(deepest).flatten(1))  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, then layer by layer: fc6 and fc7 serve other classes as well."""
        layers = (("head.fc6",), ("head.fc7",), ("head.fc8",))
        return (*inside("backbone", self.backbone.stages()), *layers)

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer has one row for each class."""
        return {"head.fc8.weight": ClassRows(), "head.fc8.bias": ClassRows()}
