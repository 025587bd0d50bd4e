import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.backbones.alexnet import alexnet, alexnet_paper
from manako.models.layers.response_norm import ResponseNorm

BUILDERS = {"torchvision": alexnet, "paper": alexnet_paper}


def without_values(build, **options):
    with torch.device("meta"):
        return build(num_classes=10, **options)


def network_by_the_definition(state, images):
    """Figure 2 with each tower on its own: what a tower computes it hands to itself only."""

    def halves(name):
        weight, bias = state[f"backbone.{name}.weight"], state[f"backbone.{name}.bias"]
        return zip(weight.chunk(2), bias.chunk(2), strict=True)

    def convolve(towers, name, **options):
        return [
            functional.conv2d(x, weight, bias, **options).clamp(min=0)
            for x, (weight, bias) in zip(towers, halves(name), strict=True)
        ]

    def pool(towers):
        return [functional.max_pool2d(x, 3, 2) for x in towers]

    def normalise(towers):
        x = torch.cat(towers, 1)
        channels = x.shape[1]
        sums = [x[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(channels)]
        return list((x / (2 + 1e-4 * torch.stack(sums, 1)) ** 0.75).chunk(2, 1))

    def full(x, name):
        return x @ state[f"head.{name}.weight"].T + state[f"head.{name}.bias"]

    towers = normalise(convolve([57 * images, 57 * images], "conv1", stride=4))
    features = {4: torch.cat(towers, 1)}
    towers = normalise(convolve(pool(towers), "conv2", padding=2))
    features[8] = torch.cat(towers, 1)
    both = torch.cat(pool(towers), 1)
    towers = convolve([both, both], "conv3", padding=1)  # here they meet
    towers = convolve(convolve(towers, "conv4", padding=1), "conv5", padding=1)
    features[16] = torch.cat(towers, 1)
    features[32] = torch.cat(pool(towers), 1)
    x = functional.adaptive_avg_pool2d(features[32], 6).flatten(1)
    x = full(x, "fc6").clamp(min=0)
    return features, full(full(x, "fc7").clamp(min=0), "fc8")


def test_the_papers_network_equals_its_definition():
    torch.manual_seed(0)
    model = alexnet_paper(num_classes=3, hidden=16).double().eval()
    for parameter in model.parameters():
        scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
        nn.init.normal_(parameter, std=scale)
    images = torch.randn(1, 3, 67, 103, dtype=torch.float64)

    features, logits = network_by_the_definition(model.state_dict(), images)

    torch.testing.assert_close(model(images), logits, rtol=1e-9, atol=1e-9)
    found = model.backbone(images)
    assert list(found) == [4, 8, 16, 32]
    for stride, expected in features.items():
        torch.testing.assert_close(found[stride], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        ("conv1", 96 * (11 * 11 * 3 + 1)),
        ("conv2", 256 * (5 * 5 * 48 + 1)),  # half of 96: one tower
        ("conv3", 384 * (3 * 3 * 256 + 1)),
        ("conv4", 384 * (3 * 3 * 192 + 1)),
        ("conv5", 256 * (3 * 3 * 192 + 1)),
    ],
)
def test_layers_of_the_paper_have_its_kernels(layer, parameters):
    module = getattr(without_values(alexnet_paper).backbone, layer)

    assert sum(one.numel() for one in module.parameters()) == parameters


def test_the_papers_map_has_55_cells_from_227_pixels_and_not_from_224():
    backbone = without_values(alexnet_paper).backbone
    shapes = [
        [
            tuple(x.shape[2:])
            for x in backbone(torch.zeros(1, 3, side, side, device="meta")).values()
        ]
        for side in (227, 224)
    ]

    assert shapes == [
        [(55, 55), (27, 27), (13, 13), (6, 6)],
        [(54, 54), (26, 26), (12, 12), (5, 5)],
    ]


@pytest.mark.parametrize("form", BUILDERS)
@pytest.mark.parametrize("size_hw", [(67, 130), (224, 95)])
def test_feature_maps_have_the_promised_strides_and_channels(form, size_hw):
    backbone = without_values(BUILDERS[form], in_channels=1).backbone
    first = {"torchvision": 3, "paper": 7}[form]  # the pixels that do not begin a cell of conv1

    features = backbone(torch.zeros(2, 1, *size_hw, device="meta"))

    shapes = {stride: tuple(x.shape) for stride, x in features.items()}
    sizes = {4: [(side - first) // 4 for side in size_hw]}
    for stride in (8, 16, 32):
        sizes[stride] = [(side - 1) // 2 for side in sizes[stride // 2]]
    assert shapes == {
        stride: (2, channels, *sizes[stride]) for stride, channels in backbone.channels.items()
    }


def test_normalisation_has_the_constants_of_the_paper_and_stands_in_its_form_only():
    norm = alexnet_paper(num_classes=2, hidden=2).backbone.norm

    assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 1e-4, 0.75, 2.0)
    assert not any(isinstance(one, ResponseNorm) for one in without_values(alexnet).modules())


@pytest.mark.parametrize(
    ("form", "before"), [("torchvision", (0.4, 0.4, 0)), ("paper", (0, 0.4, 0.4))]
)
def test_dropout_stands_where_the_form_has_it(form, before):
    head = without_values(BUILDERS[form], dropout=0.4).head

    assert (head.drop6.p, head.drop7.p, head.drop8.p) == before


def test_hidden_layers_have_the_asked_width():
    head = without_values(alexnet, hidden=24).head

    assert [tuple(layer.weight.shape) for layer in (head.fc6, head.fc7, head.fc8)] == [
        (24, 9216),
        (24, 24),
        (10, 24),
    ]


def test_weights_of_the_paper_start_from_its_normal_distribution_and_biases_from_one_or_zero():
    torch.manual_seed(0)
    model = alexnet_paper(num_classes=500, hidden=200)

    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    ones = {name.split(".")[1] for name, layer in layers.items() if (layer.bias == 1).all()}
    zeros = {name.split(".")[1] for name, layer in layers.items() if (layer.bias == 0).all()}

    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert zeros == {"conv1", "conv3", "fc8"}
    for layer in layers.values():
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(layer.weight.mean().item()) < 2e-4


def test_weights_of_torchvisions_form_start_as_torch_has_it():
    torch.manual_seed(0)
    layer = alexnet(num_classes=2, hidden=2).backbone.conv3
    bound = 1 / (192 * 9) ** 0.5

    for tensor in (layer.weight, layer.bias):
        assert 0.95 * bound < tensor.abs().max() <= bound
        assert tensor.std().item() == pytest.approx(bound / 3**0.5, rel=0.08)


@pytest.mark.parametrize(("form", "least"), [("torchvision", 63), ("paper", 67)])
def test_too_small_pictures_are_refused(form, least):
    model = without_values(BUILDERS[form])

    with pytest.raises(
        ShapeError, match=rf"AlexNet .* {least - 1} x 90 pixels\n.*at least {least} x {least}"
    ):
        model(torch.zeros(1, 3, least - 1, 90, device="meta"))
