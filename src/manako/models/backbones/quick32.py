"""quick32, a small and fast network for 32x32 pictures on a CPU.

Built after the networks of the public CIFAR-10 speed runs (Keller Jordan, "94% on CIFAR-10 in
3.29 Seconds on a Single GPU", https://arxiv.org/abs/2404.00498, section 3): a 2x2 stem whose
filters whiten the pictures, three stages of two convolutions, the first of each started as the
identity, and a linear layer on the maxima. What differs: it is narrower (48 channels in place of
64: on a CPU more passes over the data are worth more), the stem has no bias and is never trained,
so that no gradient is computed at the finest resolution, any size from 9 pixels up is taken (the
pooling at the end takes what is left), and any number of channels.

Shapes: images [B, C, H, W]; features {stride: [B, channels, (H - 1) // stride, (W - 1) // stride]}
for stride 2, 4, 8; logits [B, K].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.layers.sizes import refuse_small
from manako.models.protocols import ClassRows
from manako.models.stages import inside

WHITENING_FLOOR = 5e-4
"""Added to the variances that whitening divides by, so that a direction in which the pictures
hardly vary (three equal channels, say) is not blown up. Pictures have a variance of about 1."""


class Stage(nn.Module):
    """conv 3x3, max-pool 2, norm, GELU, conv 3x3, norm, GELU. [B, c_in, h, w] -> [.., h//2, w//2].

    Convolutions have no bias and start as the identity on the channels they receive (Dirac);
    filters beyond that number keep torch's random start.
    """

    def __init__(self, c_in: int, c_out: int, *, bn_momentum: float, bn_eps: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.bn1 = nn.BatchNorm2d(c_out, eps=bn_eps, momentum=bn_momentum)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out, eps=bn_eps, momentum=bn_momentum)
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight.detach()[: conv.in_channels])
        for norm in (self.bn1, self.bn2):  # the next convolution scales as well
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size, `c_out` channels."""
        x = functional.gelu(self.bn1(self.pool(self.conv1(x))))
        return functional.gelu(self.bn2(self.conv2(x)))


class Quick32Features(nn.Module):
    """The backbone: stem and stages of `width`, 4 * `width` and 4 * `width` channels.

    `bn_momentum` is the share of the new batch in the running statistics (torch's meaning); it is
    large because runs are short. `bn_eps` is added to variances.
    """

    first_convolution = "stem.weight"
    least_side = 9  # the least of which the stem and three poolings leave one pixel

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 48,
        bn_momentum: float = 0.4,
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if width < 1 or not 0 < bn_momentum <= 1 or bn_eps <= 0:
            raise UsageError(
                f"quick32 cannot have width={width}, bn_momentum={bn_momentum}, bn_eps={bn_eps}",
                expected="width of 1 or more, bn_momentum in (0, 1], bn_eps above 0",
            )
        directions = 4 * in_channels  # a 2x2 patch has that many values
        self.channels = {2: width, 4: 4 * width, 8: 4 * width}
        self.stem = nn.Conv2d(in_channels, 2 * directions, 2, bias=False)
        # Never trained, also before `init_from_images`: an optimizer sees one set of parameters.
        self.stem.weight.requires_grad_(False)
        self.stage1 = Stage(2 * directions, width, bn_momentum=bn_momentum, bn_eps=bn_eps)
        self.stage2 = Stage(width, 4 * width, bn_momentum=bn_momentum, bn_eps=bn_eps)
        self.stage3 = Stage(4 * width, 4 * width, bn_momentum=bn_momentum, bn_eps=bn_eps)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """{stride: features} for stride 2, 4 and 8. Raises ShapeError below `least_side`."""
        refuse_small("quick32", images, self.least_side)
        f2 = self.stage1(functional.gelu(self.stem(images)))
        f4 = self.stage2(f2)
        f8 = self.stage3(f4)
        return {2: f2, 4: f4, 8: f8}

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stem, then the three stages."""
        return (("stem",), ("stage1",), ("stage2",), ("stage3",))

    @torch.no_grad()
    def init_from_images(self, images: Tensor) -> None:
        """Make the stem whiten 2x2 patches: each whitening filter once with either sign.

        `images` float [N, C, H, W], normalised as in training; some thousand are plenty. The
        responses of the first half of the filters are then uncorrelated and of variance 1.
        Raises ShapeError for other tensors.
        """
        channels = self.stem.in_channels
        if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != channels:
            raise ShapeError(
                f"quick32 cannot start from {images.dtype} of shape {tuple(images.shape)}",
                expected=f"normalised float pictures of shape (N, {channels}, H, W)",
            )
        filters = whitening_filters(images)
        self.stem.weight.copy_(torch.cat([filters, -filters]))


class Quick32(nn.Module):
    """The whole classifier: features, the maximum of each map, a linear layer times 1/9.

    >>> model = Quick32(Quick32Features(), num_classes=10)
    >>> sum(parameter.numel() for parameter in model.parameters())
    1113312
    """

    size_multiple = 1
    logit_scale = 1 / 9
    least_side = Quick32Features.least_side

    def __init__(self, backbone: Quick32Features, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.channels[8], num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        deepest = self.backbone(images)[8]
        return self.head(deepest.amax((2, 3))) * self.logit_scale  # type: ignore[no-any-return]

    def init_from_images(self, images: Tensor) -> None:
        """Make the stem whiten the pictures; see `Quick32Features.init_from_images`."""
        self.backbone.init_from_images(images)

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Those of the features, then the head."""
        return (*inside("backbone", self.backbone.stages()), ("head",))

    def class_rows(self) -> dict[str, ClassRows]:
        """The linear layer has one row for each class."""
        return {"head.weight": ClassRows()}


def whitening_filters(images: Tensor, floor: float = WHITENING_FLOOR) -> Tensor:
    """The filters that decorrelate the 2x2 patches of `images` [N, C, H, W]: [4C, C, 2, 2].

    Filter i is the eigenvector v_i of the patches' covariance divided by sqrt(lambda_i + `floor`),
    the largest eigenvalue first; its largest entry is positive, so that equal pictures give equal
    filters. Computed in float64 on the CPU, given as float32. Raises ShapeError where there are
    fewer than two patches.
    """
    count, channels, height, width = images.shape
    patches = count * max(height - 1, 0) * max(width - 1, 0)
    if patches < 2:
        raise ShapeError(f"pictures of shape {tuple(images.shape)} have fewer than two 2x2 patches")
    size = 4 * channels
    total = torch.zeros(size, dtype=torch.float64)
    products = torch.zeros(size, size, dtype=torch.float64)
    for some in torch.split(images, max(1, 2**18 // (height * width))):  # some 25 MB
        columns = functional.unfold(some.to("cpu", torch.float64), 2)  # [n, 4C, places]
        columns = columns.transpose(0, 1).reshape(size, -1)
        total += columns.sum(1)
        products += columns @ columns.T
    mean = total / patches
    covariance = products / patches - torch.outer(mean, mean)
    variances, vectors = torch.linalg.eigh(covariance)
    vectors = vectors.T.flip(0)  # [direction, 4C], the most varied first
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    scales = (variances.flip(0).clamp(min=0) + floor).sqrt()[:, None]
    filters: Tensor = vectors * largest.sign() / scales
    return filters.reshape(size, channels, 2, 2).float()
