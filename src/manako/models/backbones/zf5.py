"""SPP-net on ZF-5: https://arxiv.org/abs/1406.4729 (He, Zhang, Ren, Sun, ECCV 2014).

ZF-5 are the five convolutions of Zeiler and Fergus's smaller network (table 1). A spatial pyramid
of maxima takes the place of its last pooling, so that three fully connected layers follow on
pictures of any size. The paper leaves paddings, normalisation and start to its code
(ShaoqingRen/SPP_net, model-defs/Zeiler_conv5.prototxt), and so do we: the pyramid has the levels
1, 2, 3, 6 in this order, the response normalisation is within each channel, poolings round up, and
pictures are brought to the size of pixel values, for which normalisation and start are made.

What differs from that file: bins are those of the paper's appendix for every size (the file has
the windows for 224 pixels, and for two bins a stride of 7 where the paper's rule gives 6), and the
bias of fc8 starts from zero (there from one, for all classes alike, which no softmax sees).

Shapes: B pictures, C channels, H x W pixels.
    images    [B, C, H, W]
    features  {stride: [B, channels, about H / stride, about W / stride]}, stride 2, 4, 8, 16;
              of 224 pixels are left 110, 55, 26, 13
"""

from __future__ import annotations

from torch import Tensor, nn

from manako.models.fully_connected import FullyConnectedClassifier, FullyConnectedHead
from manako.models.layers.bins import SpatialPyramidPooling
from manako.models.layers.initialise import PIXEL_DEVIATION, normal
from manako.models.layers.response_norm import SpatialResponseNorm
from manako.models.layers.sizes import refuse_small


class ZF5(nn.Module):
    """The five convolutions, up to the map that the pyramid pools."""

    first_convolution = "conv1.weight"
    least_side = 31  # 14, 7, 2 and 1 cells

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.channels = {2: 96, 4: 96, 8: 256, 16: 256}
        self.conv1 = nn.Conv2d(in_channels, 96, 7, stride=2, padding=1)
        self.conv2 = nn.Conv2d(96, 256, 5, stride=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.norm = SpatialResponseNorm(3, alpha=5e-5, beta=0.75)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 2, 4, 8 and 16. Raises ShapeError below `least_side`."""
        refuse_small("ZF-5", images, self.least_side)
        f2 = self.norm(self.relu(self.conv1(PIXEL_DEVIATION * images)))
        f4 = self.pool(f2)
        f8 = self.norm(self.relu(self.conv2(f4)))
        x = self.relu(self.conv3(self.pool(f8)))
        x = self.relu(self.conv4(x))
        f16 = self.relu(self.conv5(x))
        return {2: f2, 4: f4, 8: f8, 16: f16}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Layer by layer."""
        return (("conv1",), ("conv2",), ("conv3",), ("conv4",), ("conv5",))


def spp_zf5(
    num_classes: int, in_channels: int = 3, *, dropout: float = 0.5, hidden: int = 4096
) -> FullyConnectedClassifier:
    """The classifier; `hidden` is the width of fc6 and fc7, `dropout` the share left out behind.

    Weights start from N(0, 0.01); biases from 1 in conv2, conv4, conv5 and the hidden layers, and
    elsewhere from 0.
    """
    backbone, pyramid = ZF5(in_channels), SpatialPyramidPooling((1, 2, 3, 6))
    head = FullyConnectedHead(
        256 * pyramid.values, num_classes, hidden=hidden, dropout=(0.0, dropout, dropout)
    )
    model = FullyConnectedClassifier(backbone, pyramid, head)
    normal(model, std=0.01)
    for layer in (backbone.conv2, backbone.conv4, backbone.conv5, head.fc6, head.fc7):
        nn.init.ones_(layer.bias)  # type: ignore[arg-type]
    return model
