"""LeNet-5 as the paper has it, a whole classifier.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
section II-B; `lenet5` is the form of today's textbooks. The names C1, S2, C3, S4, C5 and F6 are
the paper's, and so are 60,000 trained parameters.

The logits are -y, the negative distances of the output layer (eq. 7). Softmax cross-entropy of
them is then the paper's criterion (eq. 9) but for one constant: beside the classes the paper has a
class of rubbish at a fixed distance j, a term exp(-j) in the sum under the logarithm, which keeps
distances from growing that are large anyway.

What differs from the paper: training is by this package's optimizers (the paper: stochastic
diagonal Levenberg-Marquardt); the ten digits are drawn anew, for the paper prints its bitmaps as a
picture; C3 is computed as a full convolution with zeros where maps are not connected; pictures come
with a mean of 0 and a deviation of 1 (the paper: background -0.1, ink 1.175, nearly the same).

Shapes: images [B, C, 32, 32]; logits [B, K].
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.protocols import ClassRows

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # appendix A: f(1) = 1 and f(-1) = -1

CONNECTIONS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip
"""Table I: for each of the 16 maps of C3, the maps of S2 that it sees."""
PLACES = [6 * to + seen for to, maps in enumerate(CONNECTIONS) for seen in maps]
"""Where the kernel of each connection stands among all 16 x 6."""

DIGITS = """
.#####. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .####.. .....## .....## ..####. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. .....## ##..##. ##..... ##..... ...##.. ##...## ##...##
##...## ...##.. ...##.. ..####. ##..##. ######. ######. ...##.. .#####. .######
##...## ...##.. ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...##.. ##..... ##...## ....##. ##...## ##...## ##..... ##...## ....##.
.#####. .#####. ####### .#####. ....##. .#####. .#####. ##..... .#####. .####..
"""
"""The digits 0 to 9, each 7 wide and 12 high, after the style of figure 3."""

CODE_LENGTH = 7 * 12


def squash(a: Tensor) -> Tensor:
    """A tanh(S a), the squashing function of every layer up to F6 (eq. 6).

    >>> squash(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=3)
    tensor([-1.,  0.,  1.])
    """
    return AMPLITUDE * torch.tanh(SLOPE * a)


class Subsampling(nn.Module):
    """S2 and S4: the sum of 2x2 values times a coefficient, plus a bias; one of each a map.

    [B, C, H, W] -> [B, C, H / 2, W / 2].
    """

    fan_in = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        _draw(self.coefficient, self.fan_in)
        _draw(self.bias, self.fan_in)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size, before the squashing."""
        sums = functional.avg_pool2d(x, 2, divisor_override=1)
        return sums * self.coefficient[:, None, None] + self.bias[:, None, None]


class PartialConvolution(nn.Module):
    """C3: a 5x5 convolution in which map i sees the maps `CONNECTIONS[i]` only (table I).

    `weight` [60, 5, 5] has one kernel for each connection, in the order of the table; nothing is
    stored for maps that are not connected. [B, 6, H, W] -> [B, 16, H - 4, W - 4].
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(sum(map(len, CONNECTIONS)), 5, 5))
        self.bias = nn.Parameter(torch.empty(len(CONNECTIONS)))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """The maps of C3, before the squashing."""
        return functional.conv2d(x, self.full_weight(), self.bias)

    def full_weight(self) -> Tensor:
        """The kernels [16, 6, 5, 5], zero where the table has no connection."""
        nothing = self.weight.new_zeros(len(CONNECTIONS) * 6, 5, 5)
        places = torch.tensor(PLACES, device=self.weight.device)
        return nothing.index_copy(0, places, self.weight).view(len(CONNECTIONS), 6, 5, 5)

    @torch.no_grad()
    def _initialise(self) -> None:
        start = 0
        for to, maps in enumerate(CONNECTIONS):  # a map that sees less starts larger
            _draw(self.weight[start : start + len(maps)], 25 * len(maps))
            _draw(self.bias[to : to + 1], 25 * len(maps))
            start += len(maps)


class RadialBasis(nn.Module):
    """The output layer: squared distances to fixed codes, one a class (eq. 7).

    `codes` [K, 84] of -1 and +1 are kept with the weights and never trained. [B, 84] -> [B, K].
    """

    codes: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("codes", class_codes(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """y_i, the sum over j of (x_j - w_ij)^2; 0 is a perfect match."""
        return (x[:, None] - self.codes).square().sum(2)


class LeNet5Paper(nn.Module):
    """Convolutions C1, C3, C5, subsampling S2, S4, a full layer F6 and distances to codes.

    Weights and biases start uniform within 2.4 / the number of a unit's inputs (appendix A).

    >>> model = LeNet5Paper(num_classes=10, in_channels=1)
    >>> sum(parameter.numel() for parameter in model.parameters())
    60000
    """

    size_multiple = 1
    least_side = 32
    fixed_size_hw = (32, 32)

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConvolution()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, CODE_LENGTH)
        self.output = RadialBasis(num_classes)
        for layer in (self.c1, self.c5, self.f6):
            for tensor in layer.parameters():
                _draw(tensor, layer.weight[0].numel())

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K], the negative distances. Raises ShapeError for another size."""
        if images.shape[-2:] != self.fixed_size_hw:
            height, width = images.shape[-2:]
            raise ShapeError(
                f"LeNet-5 of the paper cannot take pictures of {height} x {width} pixels",
                expected="32 x 32",
                fix="resize the pictures, or pad those of 28 x 28 by two pixels on each side",
            )
        x = squash(self.c1(images))  # [B, 6, 28, 28]
        x = squash(self.s2(x))  # [B, 6, 14, 14]
        x = squash(self.c3(x))  # [B, 16, 10, 10]
        x = squash(self.s4(x))  # [B, 16, 5, 5]
        x = squash(self.c5(x))  # [B, 120, 1, 1]
        x = squash(self.f6(x.flatten(1)))  # [B, 84]
        distances: Tensor = self.output(x)
        return -distances

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Each convolution with the subsampling after it; the last is F6, which meets the codes."""
        return (("c1", "s2"), ("c3", "s4"), ("c5",), ("f6", "output"))

    def class_rows(self) -> dict[str, ClassRows]:
        """The output layer has one code for each class."""
        return {"output.codes": ClassRows()}


def class_codes(num_classes: int) -> Tensor:
    """Codes [K, 84] of -1 and +1: for ten classes the drawn digits, else a fixed draw.

    The draw for a class depends on its number only and is the same everywhere.

    >>> class_codes(10)[1].view(12, 7)[0]
    tensor([-1., -1., -1.,  1.,  1., -1., -1.])
    """
    if num_classes == 10:
        rows = [line.split() for line in DIGITS.split("\n") if line]
        drawn = ["".join(row[digit] for row in rows) for digit in range(10)]
        return torch.tensor([[1.0 if one == "#" else -1.0 for one in code] for code in drawn])
    return torch.tensor([_random_code(number) for number in range(num_classes)])


def _random_code(number: int) -> list[float]:
    digest = hashlib.sha256(f"lenet5_paper class {number}".encode()).digest()
    bits = int.from_bytes(digest, "big")
    return [1.0 if bits >> place & 1 else -1.0 for place in range(CODE_LENGTH)]


def _draw(tensor: Tensor, fan_in: int) -> None:
    bound = 2.4 / fan_in
    nn.init.uniform_(tensor, -bound, bound)
