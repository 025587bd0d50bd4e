"""All-CNN-C for 32x32 pictures: https://arxiv.org/abs/1412.6806.

Springenberg, Dosovitskiy, Brox, Riedmiller, "Striving for Simplicity: The All Convolutional Net",
ICLR workshop 2015, table 1 (model C) and table 2. Nothing but convolutions and ReLU: 3x3
convolutions of stride 2 take the place of pooling, and the last of nine gives one map for each
class, rectified, whose mean over all places is the logit. Dropout of 0.2 on the picture and of 0.5
after each convolution that strides (section 3).

The seventh convolution is not padded, for the paper averages over 6 x 6 places.
The paper does not say how weights start: here from N(0, sqrt(2 / inputs)), biases from zero (He et
al. 2015, https://arxiv.org/abs/1502.01852, eq. 10), but in the last convolution from N(0, 0.01) and
biases from one. Every class is then above the zero of its ReLU and learns; from the wider start all
ten fall silent within some steps, for good. Pictures are normalised, not whitened.

Shapes: images [B, C, H, W]; features {stride: [B, channels, H / stride, W / stride], rounded up}
for stride 1, 2, 4, but two rows and columns less at stride 4; logits [B, K].
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.models.layers.dropout import Dropout
from manako.models.layers.places import mean_of_places
from manako.models.layers.sizes import refuse_small
from manako.models.protocols import ClassRows
from manako.models.stages import inside


class AllCNN(nn.Module):
    """All convolutions of model C but the last.

    `input_dropout` and `dropout` are the shares of values left out in training, of the picture and
    after the strides. Raises UsageError for shares outside [0, 1).
    """

    first_convolution = "conv1.weight"
    least_side = 9  # nine pixels leave three cells, and conv7 is 3x3 without padding

    def __init__(
        self, in_channels: int = 3, *, input_dropout: float = 0.2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.channels = {1: 96, 2: 192, 4: 192}
        self.input_dropout = Dropout(input_dropout)
        self.dropout = Dropout(dropout)
        self.conv1 = nn.Conv2d(in_channels, 96, 3, padding=1)
        self.conv2 = nn.Conv2d(96, 96, 3, padding=1)
        self.conv3 = nn.Conv2d(96, 96, 3, stride=2, padding=1)
        self.conv4 = nn.Conv2d(96, 192, 3, padding=1)
        self.conv5 = nn.Conv2d(192, 192, 3, padding=1)
        self.conv6 = nn.Conv2d(192, 192, 3, stride=2, padding=1)
        self.conv7 = nn.Conv2d(192, 192, 3)
        self.conv8 = nn.Conv2d(192, 192, 1)
        self.relu = nn.ReLU(inplace=True)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 1, 2 and 4. Raises ShapeError below `least_side`."""
        refuse_small("All-CNN", images, self.least_side)
        x = self.relu(self.conv1(self.input_dropout(images)))
        f1 = self.relu(self.conv2(x))
        x = self.dropout(self.relu(self.conv3(f1)))
        x = self.relu(self.conv4(x))
        f2 = self.relu(self.conv5(x))
        x = self.dropout(self.relu(self.conv6(f2)))
        x = self.relu(self.conv7(x))
        f4 = self.relu(self.conv8(x))
        return {1: f1, 2: f2, 4: f4}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """What computes the maps of each stride; a convolution that strides begins the next."""
        return (("conv1", "conv2"), ("conv3", "conv4", "conv5"), ("conv6", "conv7", "conv8"))


class AllCNNClassifier(nn.Module):
    """The features, a 1x1 convolution with one map for each class, its mean.

    >>> model = AllCNNClassifier(AllCNN(), num_classes=10)
    >>> sum(parameter.numel() for parameter in model.parameters())
    1369738
    """

    size_multiple = 1
    least_side = AllCNN.least_side

    def __init__(self, backbone: AllCNN, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.channels[4], num_classes, 1)
        self.relu = nn.ReLU(inplace=True)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.ones_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K], none of them below zero."""
        maps: Tensor = self.relu(self.head(self.backbone(images)[4]))
        return mean_of_places(maps)

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the features, then the head."""
        return (*inside("backbone", self.backbone.stages()), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The last convolution has one filter for each class."""
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}


def all_cnn_c(
    num_classes: int, in_channels: int = 3, *, input_dropout: float = 0.2, dropout: float = 0.5
) -> AllCNNClassifier:
    """The whole network; the options are those of `AllCNN`."""
    backbone = AllCNN(in_channels, input_dropout=input_dropout, dropout=dropout)
    return AllCNNClassifier(backbone, num_classes)
