"""A classifier on any backbone: the mean of the deepest feature map, then a linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from manako.models.protocols import Backbone, ClassRows
from manako.models.stages import inside


class Classifier(nn.Module):
    """images [B, C, H, W] -> logits [B, K] (He et al. 2016, section 3.3).

    `backbone` must be a `torch.nn.Module` too. The linear layer is called `head`.
    """

    size_multiple = 1

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.deepest = max(backbone.channels)
        self.head = nn.Linear(backbone.channels[self.deepest], num_classes)

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        features = self.backbone(images)[self.deepest]
        return self.head(features.mean((2, 3)))  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, then the head."""
        return (*inside("backbone", self.backbone.stages()), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The head has one row for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}
