import pytest
import torch
from torch import nn

from manako.errors import ShapeError, UsageError
from manako.models.backbones.vgg import VGG
from manako.models.entries.alexnet import vgg

DEPTHS = [11, 13, 16, 19]
TABLE_1 = {
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def without_values(build):
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("depth", DEPTHS)
def test_layers_are_those_of_table_1(depth, batch_norm):
    features = without_values(lambda: VGG(depth, batch_norm=batch_norm)).features
    after = [nn.BatchNorm2d, nn.ReLU] if batch_norm else [nn.ReLU]

    kinds, found = [type(layer) for layer in features], []
    for place, layer in enumerate(features):
        if isinstance(layer, nn.MaxPool2d):
            assert (layer.kernel_size, layer.stride, layer.ceil_mode) == (2, 2, False)
            found.append("M")
        if isinstance(layer, nn.Conv2d):
            assert (layer.kernel_size, layer.padding, layer.stride) == ((3, 3), (1, 1), (1, 1))
            assert layer.bias is not None
            assert kinds[place + 1 : place + 1 + len(after)] == after
            found.append(str(layer.out_channels))

    assert " ".join(found) == TABLE_1[depth]
    assert sum(kind is nn.Conv2d for kind in kinds) + 3 == depth


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33)])
def test_feature_maps_have_the_promised_strides_and_channels(depth, size_hw):
    model = without_values(lambda: VGG(depth, in_channels=1))

    features = model(torch.zeros(2, 1, *size_hw, device="meta"))

    height, width = size_hw
    assert list(features) == [1, 2, 4, 8, 16, 32]
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        stride: (2, channels, height // stride, width // stride)
        for stride, channels in model.channels.items()
    }


@torch.no_grad()
def test_feature_maps_are_the_last_before_each_pooling_and_rectified():
    torch.manual_seed(0)
    model = VGG(11, batch_norm=True).eval()
    images = torch.randn(1, 3, 32, 40)

    features = model(images)

    for stride in (1, 2, 4, 8, 16):
        assert features[stride].min() == 0
        assert features[stride].max() > 0
    assert torch.equal(features[32], nn.functional.max_pool2d(features[16], 2))
    assert torch.equal(features[32], model.features(images))


def test_stages_are_the_five_groups_with_their_norms_and_the_full_layers():
    model = without_values(lambda: vgg(11, True, num_classes=2))

    assert model.stages() == (
        ("backbone.features.0", "backbone.features.1"),
        ("backbone.features.4", "backbone.features.5"),
        tuple(f"backbone.features.{place}" for place in (8, 9, 11, 12)),
        tuple(f"backbone.features.{place}" for place in (15, 16, 18, 19)),
        tuple(f"backbone.features.{place}" for place in (22, 23, 25, 26)),
        ("head.fc6",),
        ("head.fc7",),
        ("head.fc8",),
    )


def test_dropout_stands_behind_the_hidden_layers():
    head = without_values(lambda: vgg(11, False, num_classes=2, dropout=0.3, hidden=8)).head

    assert (head.drop6.p, head.drop7.p, head.drop8.p) == (0.0, 0.3, 0.3)
    assert (head.fc6.in_features, head.fc7.in_features) == (512 * 7 * 7, 8)


def test_fresh_weights_follow_kaiming_and_linear_layers_the_narrow_normal_distribution():
    torch.manual_seed(0)
    model = vgg(11, True, num_classes=400, hidden=100)

    convolutions = [one for one in model.modules() if isinstance(one, nn.Conv2d)]
    for layer in convolutions[1:]:
        expected = (2 / (9 * layer.out_channels)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
    for layer in (model.head.fc6, model.head.fc7, model.head.fc8):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
    for layer in (*convolutions, model.head.fc6, model.head.fc7, model.head.fc8):
        assert (layer.bias == 0).all()


@pytest.mark.parametrize("depth", [10, 17])
def test_other_depths_are_refused(depth):
    with pytest.raises(UsageError, match=rf"no VGG-{depth}\n.*11, 13, 16 or 19"):
        VGG(depth)


def test_too_small_pictures_are_refused():
    model = without_values(lambda: VGG(11))

    with pytest.raises(ShapeError, match=r"this VGG .* 31 x 40 pixels\n.*at least 32 x 32"):
        model(torch.zeros(1, 3, 31, 40, device="meta"))
