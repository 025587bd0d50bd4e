"""A classifier on any backbone: the mean of the deepest feature map, then a linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from manako.models.layers.dropout import Dropout
from manako.models.layers.places import mean_of_places
from manako.models.protocols import Backbone, ClassRows
from manako.models.stages import inside


class Classifier(nn.Module):
    """images [B, C, H, W] -> logits [B, K] (He et al. 2016, section 3.3).

    `backbone` must be a `torch.nn.Module` too. Families differ in the last norm: `map_norm` is
    applied to the deepest map before the mean, `mean_norm` to the mean [B, channels] after it.
    `dropout` is the share of the mean's values left out in training. The linear layer is called
    `head`, the norms `map_norm` and `mean_norm`. Raises UsageError for a dropout that cannot be.
    """

    size_multiple = 1

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        map_norm: nn.Module | None = None,
        mean_norm: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.deepest = max(backbone.channels)
        self.map_norm = nn.Identity() if map_norm is None else map_norm
        self.mean_norm = nn.Identity() if mean_norm is None else mean_norm
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(backbone.channels[self.deepest], num_classes)

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        deepest = self.map_norm(self.backbone(images)[self.deepest])
        mean = self.mean_norm(mean_of_places(deepest))
        return self.head(self.dropout(mean))  # type: ignore[no-any-return]

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, the norms with the last of them, then the head."""
        *first, last = inside("backbone", self.backbone.stages())
        return (*first, (*last, "map_norm", "mean_norm"), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The head has one row for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}
