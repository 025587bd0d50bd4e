import re
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from manako.models.backbones import resnet
from manako.models.receptive_field import receptive_field
from manako.models.unet import unet, unet_bn
from manako.models.zoo import MODELS, model_info


def without_values(build):
    with torch.device("meta"):
        return build().eval()


def strides_in_the_first_1x1(network):
    """The form of the paper and of the figures published for it."""
    for block in network.modules():
        if isinstance(block, resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return network


class Deepest(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, images):
        return self.backbone(images)[max(self.backbone.channels)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (partial(resnet.resnet, "resnet50"), 483),
        (partial(resnet.resnet, "resnet101"), 1027),
        (partial(resnet.resnet, "resnet152"), 1507),
    ],
)
def test_resnets_of_the_paper_have_the_published_receptive_fields(build, expected):
    """Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", 2019."""
    network = strides_in_the_first_1x1(without_values(build))

    assert receptive_field(Deepest(network), in_channels=3) == expected


@pytest.mark.parametrize(("name", "expected"), [("alexnet", 195), ("vgg16", 212)])
def test_networks_of_torchvision_have_the_published_receptive_fields(name, expected):
    network = without_values(lambda: getattr(torchvision.models, name)().features)

    assert receptive_field(network, in_channels=3) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", 435),
        ("resnet50", 427),  # 483 less (4 + 8 + 16) * 2: the stride comes one 3x3 later
        ("wide_resnet50_2", 427),
        ("resnet20", 3 + 6 * 2 + (2 + 5 * 4) + (4 + 5 * 8)),
        # 315 in Araujo et al. 2019, too.
        ("mobilenetv1_100", 3 + 2 * (2 * 2 + 2 * 4 + 2 * 8 + 5 * 16 + 16 + 32)),
        ("wrn_16_4", 3 + 4 * 2 + (2 + 3 * 4) + (4 + 3 * 8)),
        # Two blocks, one shifted: two windows where it begins, one more where it was more before.
        ("swin_t", 2 * 7 * (32 + 3 * 16 + 8 + 4)),
        ("swin_t_32", 2 * 4 * (2 * 8 + 3 * 4 + 2)),
        # The stem, the 3x3 of each layer, and the 2x2 of each transition.
        ("densenet121", (7 + 2 * 2) + 6 * 8 + 4 + 12 * 16 + 8 + 24 * 32 + 16 + 16 * 64),
        ("densenet_bc_100_12", 3 + 16 * 2 + 1 + 16 * 4 + 2 + 16 * 8),
        # Each stride: the pooling before it, then its convolutions.
        ("googlenet", 7 + 4 + 2 * 4 + 8 + 2 * 2 * 8 + 16 + 5 * 2 * 16 + 16 + 2 * 2 * 32),
        ("googlenet_paper", 7 + 4 + 2 * 4 + 8 + 2 * 4 * 8 + 16 + 5 * 4 * 16 + 32 + 2 * 4 * 32),
        ("convnext_tiny", 4 + 6 * (3 * 4 + 3 * 8 + 9 * 16 + 3 * 32) + 4 + 8 + 16),
        ("poolformer_s12", 7 + 2 * (2 * 4 + 2 * 8 + 6 * 16 + 2 * 32) + 2 * (4 + 8 + 16)),
        ("quick32", 2 + (2 + 1 + 4) + (4 + 2 + 8) + (8 + 4 + 16)),
        ("alexnet", 195),  # the figures published for these two, see above
        ("vgg16", 212),
        ("all_cnn_c", 3 + 2 + 2 + 3 * 4 + 8),
        # The convolutions and poolings alone see 139; the two norms look at one cell more each way.
        ("spp_zf5", 139 + 2 * 2 + 2 * 8),
        ("lenet5", 5 + 1 + 8 + 2),
        ("lenet5_paper", 32),
    ],
)
def test_models_have_the_receptive_field_computed_by_hand(name, expected):
    assert model_info(name).receptive_field == expected


SEE_ALL = "efficientnet|vit_"  # squeeze-excitation and attention look everywhere
TAKE_LONG = r"resnet\w*_?1\d\d|densenet\d|densenet_bc_[12]|swin_[sb]|efficientnet_b[1-7]|vit_[lh]"


@pytest.mark.parametrize("name", [name for name in MODELS if not re.match(TAKE_LONG, name)])
def test_every_model_has_one(name):
    seen = model_info(name).receptive_field

    if re.match(SEE_ALL, name):
        assert seen is None
    else:
        assert 16 <= seen < 4000


class AverageForMaximum(nn.Module):
    """A pooling that lets every input through, so that gradients show all that is seen."""

    def forward(self, x):
        return nn.functional.avg_pool2d(x, 2)


def widest_gradient(network, width, columns):
    """The widest stretch of the picture that one column of the output depends on, by gradients."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    network.pool = AverageForMaximum()
    images = torch.ones(1, 1, 16, width, dtype=torch.float64, requires_grad=True)
    output = network(images).sum((0, 1, 2))
    widths = []
    for column in columns:
        (gradient,) = torch.autograd.grad(output[column], images, retain_graph=True)
        seen = gradient.sum((0, 1, 2)).nonzero()
        widths.append(int(seen.max() - seen.min()) + 1)
    return max(widths)


@pytest.mark.parametrize("build", [unet, unet_bn])
def test_an_encoder_and_decoder_see_what_gradients_show(build):
    network = build(1, 1, width=1).double().eval()
    multiple = network.size_multiple
    middle = 256

    shown = widest_gradient(network, 512, range(middle, middle + multiple))
    found = receptive_field(without_values(lambda: build(1, 1, width=1)), 1, multiple=multiple)

    assert found == shown


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_row_of_layers_follows_the_recurrence(stride, dilation):
    layers = [
        nn.Conv2d(2, 2, 5, stride, padding=2, dilation=dilation),
        nn.AvgPool2d(3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(2, 2, 3, padding=1),
    ]
    network = nn.Sequential(*layers).to("meta")

    assert receptive_field(network, in_channels=2) == (
        1 + 4 * dilation + 2 * stride + 2 * 2 * stride
    )


def test_layers_of_single_pixels_with_the_channels_last_see_no_more():
    class Pixels(nn.Sequential):
        def forward(self, x):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    network = nn.Sequential(
        nn.Conv2d(1, 4, 5),
        Pixels(nn.LayerNorm(4), nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2, bias=False)),
        nn.Conv2d(2, 1, 3),
    )

    assert receptive_field(network.to("meta"), in_channels=1) == 5 + 2


def test_of_two_branches_the_one_that_sees_more_counts():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.small, self.large = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 7, padding=3)

        def forward(self, x):
            return torch.cat([self.small(x) + x, self.large(x)], 1)

    assert receptive_field(Branches().to("meta"), in_channels=1) == 7


class ScaledByMeans(nn.Module):
    def __init__(self, over):
        super().__init__()
        self.conv, self.over = nn.Conv2d(1, 1, 3, padding=1), over

    def forward(self, x):
        x = self.conv(x)
        return x.mean(self.over, keepdim=True).sigmoid() * x


def test_a_map_that_is_scaled_by_a_mean_over_its_width_sees_everything():
    assert receptive_field(ScaledByMeans(over=(2, 3)).to("meta"), in_channels=1) is None
    assert receptive_field(ScaledByMeans(over=1).to("meta"), in_channels=1) == 3


def test_a_network_that_sees_everything_has_none():
    layers = [nn.Conv2d(1, 1, 3, stride=2, padding=1) for _ in range(13)]  # 16,383 pixels
    network = nn.Sequential(*layers).to("meta")

    assert receptive_field(network, in_channels=1) is None


def test_an_operation_that_is_not_known_is_not_guessed():
    with pytest.raises(LookupError, match="after 'upsample_nearest2d' is not known"):
        receptive_field(nn.Upsample(scale_factor=2).to("meta"), in_channels=1)
