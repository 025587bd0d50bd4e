import io
import math
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.backbones.lenet5_paper import (
    CODE_LENGTH,
    CONNECTIONS,
    LeNet5Paper,
    PartialConvolution,
    Subsampling,
    class_codes,
    squash,
)


def grey_network(num_classes=10):
    torch.manual_seed(0)
    return LeNet5Paper(num_classes, in_channels=1)


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [("c1", 156), ("s2", 12), ("c3", 1_516), ("s4", 32), ("c5", 48_120), ("f6", 10_164),
     ("output", 0)],
)  # fmt: skip
def test_a_layer_has_the_parameters_that_the_paper_counts(layer, parameters):
    module = getattr(grey_network(), layer)

    assert sum(one.numel() for one in module.parameters()) == parameters


def test_there_are_sixty_thousand_parameters_for_any_number_of_classes():
    for num_classes in (2, 10, 40):
        model = grey_network(num_classes)
        assert sum(one.numel() for one in model.parameters()) == 60_000


def test_maps_of_c3_see_the_subsets_that_the_paper_describes():
    """Each contiguous three, each contiguous four, three discontinuous fours, and all."""

    def neighbours(count):
        return {frozenset((start + step) % 6 for step in range(count)) for start in range(6)}

    maps = [frozenset(one) for one in CONNECTIONS]

    assert set(maps[:6]) == neighbours(3)
    assert set(maps[6:12]) == neighbours(4)
    assert [len(one) for one in maps[12:]] == [4, 4, 4, 6]
    assert len(set(maps)) == 16
    assert not set(maps[12:15]) & neighbours(4)
    # Table I has ten crosses in each of its six rows.
    assert [sum(row in one for one in maps) for row in range(6)] == [10] * 6


def test_a_map_of_c3_changes_with_the_maps_it_is_connected_to_and_no_other():
    layer = PartialConvolution()
    x = torch.randn(1, 6, 7, 7, generator=torch.Generator().manual_seed(0))
    before = layer(x)

    for seen in range(6):
        changed = x.clone()
        changed[:, seen] += 1
        differs = (layer(changed) != before).flatten(2).any(2)[0].tolist()
        assert differs == [seen in maps for maps in CONNECTIONS]


def test_the_network_equals_its_definition():
    """Every layer once more, from the paper's sentences, with a scrambled start."""
    model = grey_network().double()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.3, 0.3, generator=generator)
    images = torch.randn(2, 1, 32, 32, dtype=torch.float64, generator=generator)
    state = model.state_dict()

    def f(a):
        e = (2 * 2 / 3 * a).exp()  # tanh by its definition
        return 1.7159 * (e - 1) / (e + 1)

    def subsample(x, name):
        total = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
        coefficient, bias = state[f"{name}.coefficient"], state[f"{name}.bias"]
        return coefficient[:, None, None] * total + bias[:, None, None]

    x = f(functional.conv2d(images, state["c1.weight"], state["c1.bias"]))
    x = f(subsample(x, "s2"))
    maps, start = [], 0
    for number, seen in enumerate(CONNECTIONS):
        kernels = state["c3.weight"][start : start + len(seen)][None]
        maps.append(functional.conv2d(x[:, list(seen)], kernels) + state["c3.bias"][number])
        start += len(seen)
    x = f(subsample(f(torch.cat(maps, 1)), "s4"))
    x = f(x.flatten(1) @ state["c5.weight"].flatten(1).T + state["c5.bias"])
    x = f(x @ state["f6.weight"].T + state["f6.bias"])
    expected = [[-((one - code) ** 2).sum() for code in class_codes(10).double()] for one in x]

    torch.testing.assert_close(model(images), torch.tensor(expected, dtype=torch.float64))


def test_squashing_is_scaled_so_that_one_stays_one():
    found = squash(torch.tensor([1.0, -1.0, 100.0]))

    torch.testing.assert_close(found, torch.tensor([1.0, -1.0, 1.7159]), atol=1e-4, rtol=0)


def test_subsampling_adds_four_values():
    layer = Subsampling(2)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([1.0, -2.0]))
        layer.bias.copy_(torch.tensor([0.5, 0.0]))
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])[None]

    assert layer(x).flatten().tolist() == [10.5, -8.0]


def test_a_picture_that_gives_a_code_is_at_distance_zero():
    model = grey_network()

    logits = -model.output(class_codes(10))

    assert logits.diagonal().tolist() == [0.0] * 10
    assert (logits.argmax(1) == torch.arange(10)).all()


@pytest.mark.parametrize("num_classes", [1, 2, 10, 37, 300])
def test_codes_are_plus_and_minus_one_and_all_different(num_classes):
    codes = class_codes(num_classes)

    assert codes.shape == (num_classes, CODE_LENGTH)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert len(codes.unique(dim=0)) == num_classes


def test_codes_of_other_class_counts_are_balanced_and_always_the_same():
    codes = class_codes(300)

    assert torch.equal(class_codes(20), codes[:20])
    assert abs(codes.mean().item()) < 0.03
    assert "".join("#" if one > 0 else "." for one in codes[0, :12]) == "#...#..##.#."


def test_the_ten_codes_are_drawn_digits():
    """A few facts of shape: the 0 mirrored is a 0, the 1 has one stroke, the 7 a full top row."""
    digits = class_codes(10).view(10, 12, 7)

    assert torch.equal(digits[0], digits[0].flip(0))
    assert torch.equal(digits[0], digits[0].flip(1))
    assert (digits[1][:, 3:5] == 1).all()
    assert (digits[7][0] == 1).all()
    different = (digits[:, None] != digits[None]).flatten(2).sum(2)
    assert different[~torch.eye(10, dtype=torch.bool)].min() >= 4


def test_codes_are_neither_trained_nor_lost():
    model = grey_network()

    assert "output.codes" in model.state_dict()
    assert all("codes" not in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("name", "fan_in"),
    [("c1", 25), ("s2", 4), ("s4", 4), ("c5", 400), ("f6", 120)],
)
def test_weights_start_uniform_within_the_papers_bounds(name, fan_in):
    values = torch.cat(
        [one.detach().flatten() for one in getattr(grey_network(), name).parameters()]
    )
    bound = 2.4 / fan_in

    assert values.abs().max() <= bound
    assert values.abs().max() > 0.6 * bound
    if len(values) > 1000:
        assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_a_map_of_c3_starts_by_the_number_of_its_own_inputs():
    layer = grey_network().c3
    start = 0

    for maps in CONNECTIONS:
        largest = layer.weight[start : start + len(maps)].abs().max()
        start += len(maps)
        bound = 2.4 / (25 * len(maps))
        assert 0.9 * bound < largest <= bound


@pytest.mark.parametrize("size_hw", [(28, 28), (32, 31), (33, 32)])
def test_another_size_is_refused_with_advice(size_hw):
    with pytest.raises(
        ShapeError, match=r"{} x {} pixels\n.*32 x 32\n.*pad those".format(*size_hw)
    ):
        grey_network()(torch.zeros(1, 1, *size_hw))


@pytest.fixture(scope="module")
def hundred_digits(shared_data):
    """Ten of each digit of MNIST, padded to 32 x 32, and their numbers."""
    found = {}
    with tarfile.open(shared_data("mnist.tar.gz")) as archive:
        for member in archive:
            label = member.name.split("/")[-2]
            if member.name.endswith(".png") and len(found.setdefault(label, [])) < 10:
                content = archive.extractfile(member).read()
                found[label].append(np.array(Image.open(io.BytesIO(content))))
            if len(found) == 10 and all(len(some) == 10 for some in found.values()):
                break
    images = torch.tensor(np.concatenate([found[str(digit)] for digit in range(10)]))
    images = functional.pad(images[:, None].float() / 255, (2, 2, 2, 2))
    return (images - images.mean()) / images.std(), torch.arange(10).repeat_interleave(10)


def test_it_learns_a_hundred_digits_by_heart(hundred_digits):
    images, labels = hundred_digits
    model = grey_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    for _ in range(60):
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()

    assert (model(images).argmax(1) == labels).all()
    assert loss < 0.05
