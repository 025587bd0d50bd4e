import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.backbones.zf5 import ZF5, spp_zf5


def network_by_the_definition(state, images):
    """The released layer list, with pooling and normalisation by their definitions."""

    def convolve(x, name, **options):
        weight, bias = state[f"backbone.{name}.weight"], state[f"backbone.{name}.bias"]
        return functional.conv2d(x, weight, bias, **options).clamp(min=0)

    def normalise(x):
        patches = functional.unfold(x.flatten(0, 1)[:, None], 3, padding=1)
        return x / (1 + 5e-5 * patches.square().sum(1).view_as(x) / 9) ** 0.75

    def pool(x):
        """A last window that is not whole counts as well."""
        beyond = [(side - 3) % 2 for side in x.shape[2:]]
        return functional.max_pool2d(
            functional.pad(x, (0, beyond[1], 0, beyond[0]), value=-torch.inf), 3, 2
        )

    def full(x, name):
        return x @ state[f"head.{name}.weight"].T + state[f"head.{name}.bias"]

    features = {2: normalise(convolve(57 * images, "conv1", stride=2, padding=1))}
    features[4] = pool(features[2])
    features[8] = normalise(convolve(features[4], "conv2", stride=2))
    x = convolve(pool(features[8]), "conv3", padding=1)
    x = convolve(convolve(x, "conv4", padding=1), "conv5", padding=1)
    features[16] = x
    pyramid = torch.cat([functional.adaptive_max_pool2d(x, n).flatten(1) for n in (1, 2, 3, 6)], 1)
    hidden = full(full(pyramid, "fc6").clamp(min=0), "fc7").clamp(min=0)
    return features, full(hidden, "fc8")


@pytest.mark.parametrize("size_hw", [(31, 31), (60, 127)])
def test_the_network_equals_its_definition(size_hw):
    torch.manual_seed(0)
    model = spp_zf5(num_classes=3, hidden=16).double().eval()
    for parameter in model.parameters():
        scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
        nn.init.normal_(parameter, std=scale)
    images = torch.randn(1, 3, *size_hw, dtype=torch.float64)

    features, logits = network_by_the_definition(model.state_dict(), images)

    torch.testing.assert_close(model(images), logits, rtol=1e-9, atol=1e-9)
    found = model.backbone(images)
    assert list(found) == [2, 4, 8, 16]
    for stride, expected in features.items():
        torch.testing.assert_close(found[stride], expected, rtol=1e-9, atol=1e-9)
        assert expected.shape[1] == model.backbone.channels[stride]


def test_maps_have_the_sizes_of_table_1_and_of_its_training_in_two_sizes():
    with torch.device("meta"):
        backbone = ZF5()
        sides = {side: backbone(torch.zeros(1, 3, side, side)) for side in (224, 180)}

    assert [x.shape[2] for x in sides[224].values()] == [110, 55, 26, 13]
    assert sides[180][16].shape[2:] == (10, 10)  # section 2.3, "Multi-size training"


def test_pictures_of_any_size_and_shape_give_logits():
    with torch.device("meta"):
        model = spp_zf5(num_classes=7, in_channels=1, hidden=8)

    for size_hw in ((31, 31), (180, 180), (480, 333)):
        assert model(torch.zeros(2, 1, *size_hw, device="meta")).shape == (2, 7)


def test_the_head_sees_fifty_bins_of_each_map():
    with torch.device("meta"):
        head = spp_zf5(num_classes=7, dropout=0.3).head

    assert head.fc6.in_features == 50 * 256
    assert (head.drop6.p, head.drop7.p, head.drop8.p) == (0.0, 0.3, 0.3)


def test_the_convolutions_have_the_parameters_of_the_released_net():
    with torch.device("meta"):
        backbone = ZF5()

    assert sum(parameter.numel() for parameter in backbone.parameters()) == 3_726_464


def test_weights_start_from_the_normal_distribution_and_biases_from_one_or_zero():
    torch.manual_seed(0)
    model = spp_zf5(num_classes=500, hidden=200)

    layers = {
        name.split(".")[1]: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }

    ones = {name for name, layer in layers.items() if (layer.bias == 1).all()}
    zeros = {name for name, layer in layers.items() if (layer.bias == 0).all()}

    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert zeros == {"conv1", "conv3", "fc8"}
    for layer in layers.values():
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_too_small_pictures_are_refused():
    with torch.device("meta"), pytest.raises(ShapeError, match=r"30 x 40 .*\n.*at least 31 x 31"):
        ZF5()(torch.zeros(1, 3, 30, 40))
