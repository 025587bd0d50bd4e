"""GoogLeNet: https://arxiv.org/abs/1409.4842 (Szegedy et al., "Going Deeper with Convolutions").

`googlenet_paper` is the network of the paper's table 1 and figure 3, 2014. What the paper leaves
open (the constants of the response normalisation, poolings that round up, the start) is as in
BVLC's Caffe model `bvlc_googlenet`, which has the same weights, one by one; the constants of the
normalisation are for pixels, so pictures, which come with a deviation of about 1, are brought to
theirs.

`googlenet` is torchvision's: a batch norm after every convolution in place of its bias and of the
two response normalisations, a 3x3 convolution in the branch of the 5x5 (a slip that its published
weights keep, pytorch/vision issue 906), 2x2 in the last max-pooling, and another dropout and start.
Parameters of both have torchvision's names, so that its weights load. The weights that it
publishes were trained on pictures brought to a mean and a deviation of 0.5 (its `transform_input`);
that is preparation and no part of this network. The auxiliary heads in its file were not trained.

Two auxiliary classifiers look at the maps after modules 4a and 4d while training (section 5); in
evaluation they rest. They pool those maps to 4 x 4 cells whatever their size.

Shapes: B pictures, C channels, H x W pixels, K classes.
    images    [B, C, H, W]
    features  {stride: [B, channels, about H / stride, about W / stride]}, stride 2, 4, 8, 16, 32
    logits    [B, K], in a `ClassRaw`
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.models.layers.bins import MeanBins, pooled
from manako.models.layers.dropout import Dropout
from manako.models.layers.initialise import PIXEL_DEVIATION
from manako.models.layers.places import mean_of_places
from manako.models.layers.response_norm import ResponseNorm
from manako.models.layers.sizes import refuse_small
from manako.models.protocols import ClassRows
from manako.models.stages import inside
from manako.structures import ClassRaw

ConvUnit = Callable[..., nn.Module]
"""(c_in, c_out, kernel, stride=1) -> a convolution of that size, with padding and ReLU."""


class NormedConv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride], rounded up."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class PlainConv(nn.Module):
    """Convolution with a bias, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride], rounded up."""
        return functional.relu(self.conv(x), inplace=True)


class Inception(nn.Module):
    """Four branches side by side (figure 2b): 1x1; 3x3; 5x5; 3x3 max-pooling.

    A 1x1 convolution reduces the channels before the 3x3 and the 5x5, another follows the pooling.
    The arguments are the columns of table 1, pairs (reduced, given); `wide` is the kernel of the
    third branch.
    """

    def __init__(
        self,
        c_in: int,
        one: int,
        three: tuple[int, int],
        five: tuple[int, int],
        pooled: int,
        conv: ConvUnit,
        wide: int,
    ) -> None:
        super().__init__()
        self.branch1 = conv(c_in, one, 1)
        self.branch2 = nn.Sequential(conv(c_in, three[0], 1), conv(*three, 3))
        self.branch3 = nn.Sequential(conv(c_in, five[0], 1), conv(*five, wide))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(c_in, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> [B, sum of the branches, H, W]."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """Three convolutions and nine Inception modules (table 1).

    `conv` makes a convolution, `wide` is the kernel of the modules' third branch, `last_pool` that
    of the last max-pooling, `norm` stands after the first pooling and before the second. Pictures
    are multiplied by `input_scale`.
    """

    first_convolution = "conv1.conv.weight"
    least_side = 32  # one whole cell of the deepest map

    def __init__(
        self,
        conv: ConvUnit,
        in_channels: int,
        *,
        wide: int,
        last_pool: int,
        norm: nn.Module,
        input_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.input_scale = input_scale
        self.channels = {2: 64, 4: 192, 8: 480, 16: 832, 32: 1024}
        self.norm = norm
        self.conv1 = conv(in_channels, 64, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32, conv, wide)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64, conv, wide)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64, conv, wide)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64, conv, wide)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64, conv, wide)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64, conv, wide)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128, conv, wide)
        self.maxpool4 = nn.MaxPool2d(last_pool, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128, conv, wide)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128, conv, wide)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features}, the last of each size. Raises ShapeError below `least_side`."""
        return self.with_middle(images)[0]

    def with_middle(self, images: Tensor) -> tuple[dict[int, Tensor], dict[str, Tensor]]:
        """What `forward` gives, and the maps after modules "4a" and "4d" by these names."""
        refuse_small("this GoogLeNet", images, self.least_side)
        if self.input_scale != 1:
            images = self.input_scale * images
        f2 = self.conv1(images)
        f4 = self.conv3(self.conv2(self.norm(self.maxpool1(f2))))
        f8 = self.inception3b(self.inception3a(self.maxpool2(self.norm(f4))))
        after_4a = self.inception4a(self.maxpool3(f8))
        after_4d = self.inception4d(self.inception4c(self.inception4b(after_4a)))
        f16 = self.inception4e(after_4d)
        f32 = self.inception5b(self.inception5a(self.maxpool4(f16)))
        return {2: f2, 4: f4, 8: f8, 16: f16, 32: f32}, {"4a": after_4a, "4d": after_4d}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """One for each size of the maps."""
        return (
            ("conv1",),
            ("conv2", "conv3"),
            ("inception3a", "inception3b"),
            tuple(f"inception4{letter}" for letter in "abcde"),
            ("inception5a", "inception5b"),
        )


class PaperWindows(nn.Module):
    """The mean of 4 x 4 windows: 5x5 cells with a stride of 3 where a map has 14 x 14.

    That is the map of a picture of 224 pixels (section 5). A side of another length is cut in the
    same proportions, so that all of it is seen and the windows are as many; they start at cells
    rounded down and end at cells rounded up.

    >>> [(one.start, one.stop) for one in PaperWindows.along(14)]
    [(0, 5), (3, 8), (6, 11), (9, 14)]
    """

    @staticmethod
    def along(length: int) -> list[slice]:
        """The windows of a side of `length` cells."""
        return [slice(i * length // 14, -(-(i + 5) * length // 14)) for i in (0, 3, 6, 9)]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, 4, 4]."""
        return pooled(maps, self.along, torch.mean)


class AuxiliaryHead(nn.Module):
    """Average pooling, 1x1 convolution, two linear layers (section 5)."""

    def __init__(
        self, c_in: int, num_classes: int, conv: ConvUnit, pool: nn.Module, dropout: float
    ) -> None:
        super().__init__()
        self.pool = pool
        self.conv = conv(c_in, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, H, W] -> logits [B, K]."""
        x = self.conv(self.pool(x))
        x = functional.relu(self.fc1(x.flatten(1)), inplace=True)
        return self.fc2(self.dropout(x))  # type: ignore[no-any-return]


class GoogLeNetClassifier(nn.Module):
    """The mean of the deepest map, dropout and a linear layer; auxiliary heads while training."""

    size_multiple = 1
    auxiliary_parts = ("auxiliary",)

    def __init__(
        self,
        backbone: GoogLeNet,
        num_classes: int,
        *,
        dropout: float,
        auxiliary: dict[str, AuxiliaryHead],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(backbone.channels[32], num_classes)
        self.auxiliary = nn.ModuleDict(auxiliary)

    @property
    def least_side(self) -> int:
        """That of the backbone."""
        return self.backbone.least_side

    def forward(self, images: Tensor) -> ClassRaw:
        """Logits [B, K]; in training with those of each auxiliary head, from the input on."""
        features, middle = self.backbone.with_middle(images)
        logits = self.head(self.dropout(mean_of_places(features[32])))
        at_work = self.auxiliary.items() if self.training else ()
        return ClassRaw(logits, tuple(head(middle[place]) for place, head in at_work))

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the backbone, then the heads."""
        return (*inside("backbone", self.backbone.stages()), ("head", "auxiliary"))

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer of every head has one row for each class."""
        last = ["head", *(f"auxiliary.{place}.fc2" for place in self.auxiliary)]
        return {f"{layer}.{kind}": ClassRows() for layer in last for kind in ("weight", "bias")}


def googlenet(
    num_classes: int,
    in_channels: int = 3,
    *,
    auxiliary: bool = True,
    dropout: float = 0.2,
    auxiliary_dropout: float = 0.7,
) -> GoogLeNetClassifier:
    """torchvision's form. `auxiliary=False` leaves the auxiliary heads out.

    >>> with torch.device("meta"):
    ...     model = googlenet(num_classes=1000, auxiliary=False)
    >>> sum(parameter.numel() for parameter in model.parameters())
    6624904
    """
    backbone = GoogLeNet(NormedConv, in_channels, wide=3, last_pool=2, norm=nn.Identity())
    heads = {
        place: AuxiliaryHead(c, num_classes, NormedConv, MeanBins(4), auxiliary_dropout)
        for place, c in _auxiliary_channels(auxiliary).items()
    }
    model = GoogLeNetClassifier(backbone, num_classes, dropout=dropout, auxiliary=heads)
    _start_small(model)
    return model


def googlenet_paper(
    num_classes: int,
    in_channels: int = 3,
    *,
    auxiliary: bool = True,
    dropout: float = 0.4,
    auxiliary_dropout: float = 0.7,
) -> GoogLeNetClassifier:
    """The paper's form. `auxiliary=False` leaves the auxiliary heads out.

    >>> with torch.device("meta"):
    ...     model = googlenet_paper(num_classes=1000, auxiliary=False)
    >>> sum(parameter.numel() for parameter in model.parameters())
    6998552
    """
    backbone = GoogLeNet(
        PlainConv,
        in_channels,
        wide=5,
        last_pool=3,
        norm=ResponseNorm(alpha=1e-4 / 5, k=1.0),  # Caffe divides alpha by the 5 channels
        input_scale=PIXEL_DEVIATION,
    )
    heads = {
        place: AuxiliaryHead(c, num_classes, PlainConv, PaperWindows(), auxiliary_dropout)
        for place, c in _auxiliary_channels(auxiliary).items()
    }
    model = GoogLeNetClassifier(backbone, num_classes, dropout=dropout, auxiliary=heads)
    _start_as_caffe(model)
    return model


def _auxiliary_channels(auxiliary: bool) -> dict[str, int]:
    return {"4a": 512, "4d": 528} if auxiliary else {}


def _start_small(model: GoogLeNetClassifier) -> None:
    """Weights from N(0, 0.01), as torchvision (which truncates at 200 deviations: never).

    Biases of linear layers keep torch's start.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.01)


def _start_as_caffe(model: GoogLeNetClassifier) -> None:
    """Weights uniform with a variance of 1 / inputs; biases 0.2, but 0 where logits come out."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = (3 / layer.weight[0].numel()) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.constant_(layer.bias, 0.2)  # type: ignore[arg-type]
    for name, tensor in model.named_parameters():
        if name in model.class_rows() and name.endswith("bias"):
            nn.init.zeros_(tensor)
