import pytest
import torch
from torch.nn import functional

from manako.errors import ShapeError, UsageError
from manako.models.backbones.quick32 import (
    WHITENING_FLOOR,
    Quick32,
    Quick32Features,
    whitening_filters,
)
from manako.models.protocols import DataInitialised


def coloured_pictures(count, channels, size):
    """Pictures whose neighbouring pixels and channels go together, as in photographs."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(channels, channels, 3, 3, generator=generator)
    noise = torch.randn(count, channels, size + 2, size + 2, generator=generator)
    return functional.conv2d(noise, mixing) + 0.5


def patches_one_by_one(images):
    """Every 2x2 patch as a row, in float64."""
    _, _, height, width = images.shape
    rows = [
        images[:, :, y : y + 2, x : x + 2].reshape(len(images), -1)
        for y in range(height - 1)
        for x in range(width - 1)
    ]
    return torch.cat(rows).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_whitened_patches_have_the_identity_as_covariance(channels):
    images = coloured_pictures(40, channels, 16)

    filters = whitening_filters(images, floor=0.0).double().flatten(1)
    responses = patches_one_by_one(images) @ filters.T

    covariance = torch.cov(responses.T, correction=0)
    torch.testing.assert_close(covariance, torch.eye(4 * channels).double(), atol=1e-4, rtol=0)


def test_the_floor_is_added_to_each_variance():
    images = coloured_pictures(40, 3, 16) * 0.02
    patches = patches_one_by_one(images)

    filters = whitening_filters(images).double().flatten(1)
    found = torch.cov((patches @ filters.T).T, correction=0).diagonal()

    variances = torch.linalg.eigvalsh(torch.cov(patches.T, correction=0)).flip(0)
    torch.testing.assert_close(found, variances / (variances + WHITENING_FLOOR), atol=1e-5, rtol=0)


def test_large_pictures_are_taken_in_parts_with_the_same_result():
    images = coloured_pictures(3, 1, 600)  # more than fits one part

    filters = whitening_filters(images, floor=0.0).double().flatten(1)

    covariance = torch.cov(
        filters @ functional.unfold(images.double(), 2).transpose(0, 1).reshape(4, -1), correction=0
    )
    torch.testing.assert_close(covariance, torch.eye(4).double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stem_gets_every_filter_with_both_signs_and_no_bias(channels):
    model = Quick32(Quick32Features(channels), num_classes=10)
    images = coloured_pictures(20, channels, 12)

    model.init_from_images(images)
    stem = model.backbone.stem

    directions = 4 * channels
    assert stem.weight.shape == (2 * directions, channels, 2, 2)
    assert torch.equal(stem.weight[:directions], -stem.weight[directions:])
    assert torch.equal(stem.weight[:directions], whitening_filters(images))
    assert stem.bias is None


def test_three_equal_channels_give_finite_filters():
    grey = coloured_pictures(20, 1, 12)

    filters = whitening_filters(grey.expand(-1, 3, -1, -1))

    assert filters.isfinite().all()
    assert filters.abs().max() <= WHITENING_FLOOR**-0.5


def test_starting_from_images_changes_only_the_stem_and_never_what_is_trained():
    model = Quick32(Quick32Features(), num_classes=10)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained = [name for name, tensor in model.named_parameters() if tensor.requires_grad]

    model.init_from_images(coloured_pictures(20, 3, 12))
    changed = {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}

    assert isinstance(model, DataInitialised)
    assert changed == {"backbone.stem.weight"}
    assert [n for n, tensor in model.named_parameters() if tensor.requires_grad] == trained
    untrained = {name for name, _ in model.named_parameters()} - set(trained)
    assert untrained == {
        "backbone.stem.weight",
        *(f"backbone.stage{i}.bn{k}.weight" for i in (1, 2, 3) for k in (1, 2)),
    }


def test_the_network_equals_its_definition():
    model = Quick32(Quick32Features(width=4), num_classes=7).double().eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 1:  # some scales negative: only then does the order of pool and norm show
            tensor.uniform_(0.5 if name.endswith("var") else -1.5, 1.5, generator=generator)
    images = torch.randn(2, 3, 25, 40, dtype=torch.float64, generator=generator)
    state = model.state_dict()

    def gelu(x):
        return x * (1 + torch.erf(x / 2**0.5)) / 2

    def norm(x, name):
        values = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = gelu(functional.conv2d(images, state["backbone.stem.weight"]))
    expected = {}
    for stage in (1, 2, 3):
        at = f"backbone.stage{stage}"
        x = functional.max_pool2d(functional.conv2d(x, state[f"{at}.conv1.weight"], padding=1), 2)
        x = gelu(norm(x, f"{at}.bn1"))
        x = gelu(norm(functional.conv2d(x, state[f"{at}.conv2.weight"], padding=1), f"{at}.bn2"))
        expected[2**stage] = x
    logits = x.flatten(2).max(2).values @ state["head.weight"].T / 9

    features = model.backbone(images)
    torch.testing.assert_close(model(images), logits, rtol=1e-9, atol=1e-9)
    assert list(features) == [2, 4, 8]
    for stride, found in features.items():
        torch.testing.assert_close(found, expected[stride], rtol=1e-9, atol=1e-9)
        assert found.shape[1:] == (model.backbone.channels[stride], 24 // stride, 39 // stride)


def test_stages_start_as_the_identity_on_the_channels_they_receive():
    model = Quick32Features()
    x = torch.randn(2, 24, 8, 8, generator=torch.Generator().manual_seed(0))

    y = model.stage1.conv1(x)
    z = model.stage2.conv2(torch.cat([y] * 4, 1))

    torch.testing.assert_close(y[:, :24], x)
    torch.testing.assert_close(z, torch.cat([y] * 4, 1))
    assert model.stage1.conv1.weight[24:].std() > 0.01


def test_a_narrow_net_is_the_identity_on_the_first_channels():
    model = Quick32Features(width=8)  # fewer filters than the 24 channels that come in
    x = torch.randn(2, 24, 8, 8, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(model.stage1.conv1(x), x[:, :8])


@pytest.mark.parametrize("size", [9, 24, 31, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_takes_grey_and_coloured_pictures_of_many_sizes(size, channels):
    model = Quick32(Quick32Features(channels, width=8), num_classes=6)

    logits = model(torch.zeros(2, channels, size, size + 3))

    assert logits.shape == (2, 6)


def test_options_reach_the_norms():
    model = Quick32Features(width=8, bn_momentum=0.25, bn_eps=1e-3)

    assert (model.stage3.bn2.momentum, model.stage3.bn2.eps) == (0.25, 1e-3)
    assert model.channels == {2: 8, 4: 32, 8: 32}


@pytest.mark.parametrize("options", [{"width": 0}, {"bn_momentum": 1.5}, {"bn_eps": 0.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match=r"quick32 cannot have .*\n.*width of 1 or more"):
        Quick32Features(**options)


def test_too_small_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"8 x 32 pixels\n.*at least 9 x 9"):
        Quick32Features(width=8)(torch.zeros(1, 3, 8, 32))


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 8, 8), torch.zeros(3, 8, 8), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)],
)
def test_pictures_that_cannot_start_the_stem_are_refused(images):
    with pytest.raises(ShapeError, match=r"cannot start from torch\..*\n.*\(N, 3, H, W\)"):
        Quick32Features(width=8).init_from_images(images)


def test_pictures_without_patches_are_refused():
    with pytest.raises(ShapeError, match="fewer than two 2x2 patches"):
        whitening_filters(torch.zeros(5, 3, 1, 9))
