"""AlexNet: as torchvision has it, and as the paper has it.

Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012: five convolutions, max-pooling whose windows overlap, three fully connected layers with
dropout.

`alexnet` is torchvision's, the single column of https://arxiv.org/abs/1404.5997 (Krizhevsky 2014):
no towers, no response normalisation, other widths, and a first convolution padded by two pixels,
so that 224 pixels give 55 cells. As there, dropout stands before fc6 and fc7, and weights start
from torch's default. Its weights load by a table of names.

`alexnet_paper` has the two towers as two groups of one convolution (only conv3 and the full layers
see both), response normalisation, dropout behind fc6 and fc7, and the paper's start; pictures are
brought to the size of pixel values, for which that start and the normalisation are made. What
differs: it is made for 227 pixels, for with the paper's 224 its own 55 cells do not come out; and
the normalisation sums over channels of both towers at their border, as in Caffe's replica.

Any size is taken, as in torchvision: the last map is averaged into 6 x 6 bins, which is the
identity at the size that the network is made for.

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, about H / stride, about W / stride]}, stride 4, 8, 16, 32;
              of 224 pixels (227 for the paper's) are left 55, 27, 13, 6
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.models.fully_connected import FullyConnectedClassifier, FullyConnectedHead
from manako.models.layers.bins import MeanBins
from manako.models.layers.initialise import PIXEL_DEVIATION, normal
from manako.models.layers.response_norm import ResponseNorm
from manako.models.layers.sizes import refuse_small

BINS = 6


class AlexNet(nn.Module):
    """The five convolutions; `widths` are their channels, `padding` is that of the first.

    With `towers` 2, conv2, conv4 and conv5 see only the half of the channels that is in their
    tower. `norm` follows the first two. Pictures are multiplied by `input_scale`.
    """

    first_convolution = "conv1.weight"

    def __init__(
        self,
        widths: tuple[int, int, int, int, int],
        in_channels: int = 3,
        *,
        padding: int,
        towers: int = 1,
        norm: nn.Module | None = None,
        input_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.input_scale = input_scale
        c1, c2, c3, c4, c5 = widths
        self.channels = {4: c1, 8: c2, 16: c5, 32: c5}
        self.least_side = 67 - 2 * padding  # 15, 7, 3 and 1 cells
        self.conv1 = nn.Conv2d(in_channels, c1, 11, stride=4, padding=padding)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=towers)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=towers)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=towers)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.Identity() if norm is None else norm
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 4, 8, 16 and 32. Raises ShapeError below `least_side`."""
        refuse_small("this AlexNet", images, self.least_side)
        if self.input_scale != 1:
            images = self.input_scale * images
        f4 = self.norm(self.relu(self.conv1(images)))
        f8 = self.norm(self.relu(self.conv2(self.pool(f4))))
        x = self.relu(self.conv3(self.pool(f8)))
        x = self.relu(self.conv4(x))
        f16 = self.relu(self.conv5(x))
        return {4: f4, 8: f8, 16: f16, 32: self.pool(f16)}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Layer by layer."""
        return (("conv1",), ("conv2",), ("conv3",), ("conv4",), ("conv5",))


def alexnet(
    num_classes: int, in_channels: int = 3, *, dropout: float = 0.5, hidden: int = 4096
) -> FullyConnectedClassifier:
    """torchvision's; `hidden` is the width of fc6 and fc7, `dropout` the share left out before."""
    backbone = AlexNet((64, 192, 384, 256, 256), in_channels, padding=2)
    head = FullyConnectedHead(
        256 * BINS**2, num_classes, hidden=hidden, dropout=(dropout, dropout, 0.0)
    )
    return FullyConnectedClassifier(backbone, MeanBins(BINS), head)


def alexnet_paper(
    num_classes: int, in_channels: int = 3, *, dropout: float = 0.5, hidden: int = 4096
) -> FullyConnectedClassifier:
    """The paper's; `hidden` is the width of fc6 and fc7, `dropout` the share left out behind.

    Weights start from N(0, 0.01); biases from 1 where that gives ReLUs positive input from the
    start: in conv2, conv4, conv5 and the hidden layers (section 5); elsewhere from 0.
    """
    backbone = AlexNet(
        (96, 256, 384, 384, 256),
        in_channels,
        padding=0,
        towers=2,
        norm=ResponseNorm(),
        input_scale=PIXEL_DEVIATION,
    )
    head = FullyConnectedHead(
        256 * BINS**2, num_classes, hidden=hidden, dropout=(0.0, dropout, dropout)
    )
    model = FullyConnectedClassifier(backbone, MeanBins(BINS), head)
    normal(model, std=0.01)
    for layer in (backbone.conv2, backbone.conv4, backbone.conv5, head.fc6, head.fc7):
        nn.init.ones_(layer.bias)  # type: ignore[arg-type]
    return model
