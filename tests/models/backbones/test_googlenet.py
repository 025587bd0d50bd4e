import pytest
import torch
from torch import nn
from torch.nn import functional

from manako.errors import ShapeError
from manako.models.backbones.googlenet import (
    AuxiliaryHead,
    PaperWindows,
    PlainConv,
    googlenet,
    googlenet_paper,
)
from manako.models.layers.response_norm import ResponseNorm
from manako.structures import ClassRaw

FORMS = {"googlenet": googlenet, "googlenet_paper": googlenet_paper}

# Table 1: output size and channels of the layers.
SIZES = {
    "conv1": (112, 64),
    "maxpool1": (56, 64),
    "conv3": (56, 192),
    "maxpool2": (28, 192),
    "inception3a": (28, 256),
    "inception3b": (28, 480),
    "maxpool3": (14, 480),
    "inception4a": (14, 512),
    "inception4b": (14, 512),
    "inception4c": (14, 512),
    "inception4d": (14, 528),
    "inception4e": (14, 832),
    "maxpool4": (7, 832),
    "inception5a": (7, 832),
    "inception5b": (7, 1024),
}
# Its columns: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
COLUMNS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def without_values(form, num_classes=5, in_channels=3, **options):
    with torch.device("meta"):
        return FORMS[form](num_classes, in_channels, **options)


def parameters(module):
    return sum(one.numel() for one in module.parameters())


@pytest.mark.parametrize("form", FORMS)
def test_the_layers_have_the_sizes_of_table_1(form):
    backbone = without_values(form).backbone.eval()
    sizes = {}
    for name in SIZES:
        backbone.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])})
        )

    backbone(torch.zeros(1, 3, 224, 224, device="meta"))

    assert sizes == {name: (c, side, side) for name, (side, c) in SIZES.items()}


@pytest.mark.parametrize(("form", "wide"), [("googlenet", 3), ("googlenet_paper", 5)])
def test_the_modules_have_the_filters_of_table_1(form, wide):
    backbone = without_values(form).backbone

    for name, columns in COLUMNS.items():
        layers = backbone.get_submodule(name).modules()
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        assert tuple(layer.out_channels for layer in convolutions) == columns
        assert [layer.kernel_size[0] for layer in convolutions] == [1, 1, 3, 1, wide, 1]


@pytest.mark.parametrize(
    ("form", "auxiliary", "expected"),
    [
        ("googlenet", False, 6_624_904),
        ("googlenet", True, 13_004_888),
        ("googlenet_paper", False, 6_998_552),
        ("googlenet_paper", True, 13_378_280),
    ],
)
def test_the_auxiliary_heads_can_be_left_out(form, auxiliary, expected):
    model = without_values(form, num_classes=1000, auxiliary=auxiliary)

    raw = model.train()(torch.zeros(2, 3, 64, 64, device="meta"))

    assert parameters(model) == expected
    assert [tuple(one.shape) for one in raw.auxiliary] == [(2, 1000)] * (2 if auxiliary else 0)
    assert len(model.class_rows()) == (6 if auxiliary else 2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 33), (32, 47)])
def test_feature_maps_have_the_promised_strides_and_channels(form, size_hw):
    model = without_values(form, in_channels=1).backbone.eval()

    features = model(torch.zeros(2, 1, *size_hw, device="meta"))

    assert list(features) == list(model.channels) == [2, 4, 8, 16, 32]
    for stride, x in features.items():
        assert x.shape[:2] == (2, model.channels[stride])
        for found, side in zip(x.shape[2:], size_hw, strict=True):
            assert abs(found - side / stride) < 1


def test_branches_stand_in_the_order_of_the_paper():
    module = googlenet_paper(2).backbone.inception3a
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    for value, name in enumerate(("branch1", "branch2.1", "branch3.1", "branch4.1"), 1):
        nn.init.constant_(module.get_submodule(name).conv.bias, value)

    out = module(torch.zeros(1, 192, 1, 1)).flatten()

    expected = torch.cat([torch.full((n,), float(v)) for v, n in enumerate((64, 128, 32, 32), 1)])
    assert torch.equal(out, expected)


@pytest.mark.parametrize("form", FORMS)
def test_auxiliary_heads_work_in_training_and_rest_in_evaluation(form):
    torch.manual_seed(0)
    model, images = FORMS[form](5), torch.randn(2, 3, 64, 64)

    trained, evaluated = model.train()(images), model.eval()(images)

    assert type(trained) is type(evaluated) is ClassRaw
    assert len(trained.auxiliary) == 2
    assert evaluated.auxiliary == ()
    assert not torch.equal(*trained.auxiliary)


def test_a_frozen_backbone_in_evaluation_mode_leaves_the_auxiliary_heads_at_work():
    model = without_values("googlenet").train()
    model.backbone.eval()

    raw = model(torch.zeros(2, 3, 64, 64, device="meta"))

    assert len(raw.auxiliary) == 2


def test_the_first_auxiliary_head_looks_at_4a_and_the_second_at_4d():
    torch.manual_seed(0)
    model = googlenet(5)
    raw = model.train()(torch.randn(2, 3, 32, 32))

    reached = []
    for logits in raw.auxiliary:
        model.zero_grad()
        logits.square().sum().backward(retain_graph=True)
        parts = {name.split(".")[1] for name, one in model.named_parameters() if one.grad is None}
        reached.append([f"inception4{letter}" not in parts for letter in "abcde"])

    assert reached == [[True] + [False] * 4, [True] * 4 + [False]]


def test_an_auxiliary_head_of_the_paper_equals_its_definition():
    torch.manual_seed(0)
    head = AuxiliaryHead(8, 5, PlainConv, PaperWindows(), dropout=0.7).eval()
    x = torch.randn(2, 8, 14, 14)

    found = head(x)

    pooled = functional.avg_pool2d(x, 5, stride=3)
    y = torch.einsum("bchw,oc->bohw", pooled, head.conv.conv.weight[:, :, 0, 0])
    y = (y + head.conv.conv.bias[:, None, None]).clamp(min=0).flatten(1)
    y = (y @ head.fc1.weight.T + head.fc1.bias).clamp(min=0)
    torch.testing.assert_close(found, y @ head.fc2.weight.T + head.fc2.bias)


def test_dropout_stands_before_the_last_layer_of_each_head():
    model = without_values("googlenet", dropout=0.1, auxiliary_dropout=0.2)
    paper, plain = without_values("googlenet_paper"), without_values("googlenet")

    def rates(one):
        return [one.dropout.p, *(head.dropout.p for head in one.auxiliary.values())]

    assert rates(model) == [0.1, 0.2, 0.2]
    assert rates(plain) == [0.2, 0.7, 0.7]
    assert rates(paper) == [0.4, 0.7, 0.7]


def test_windows_of_the_paper_are_5x5_with_stride_3_on_its_maps():
    x = torch.randn(2, 3, 14, 14, generator=torch.Generator().manual_seed(0))

    found = PaperWindows()(x)

    torch.testing.assert_close(found, functional.avg_pool2d(x, 5, stride=3))


def test_windows_see_every_cell_of_every_side_and_are_never_empty():
    for length in range(1, 60):
        cut = PaperWindows.along(length)

        assert len(cut) == 4
        assert all(0 <= one.start < one.stop <= length for one in cut)
        seen = {cell for one in cut for cell in range(one.start, one.stop)}
        assert seen == set(range(length))


def test_the_response_norm_is_torchs_with_caffes_constants():
    (norm,) = [part for part in googlenet_paper(3).modules() if isinstance(part, ResponseNorm)]
    x = 20 * torch.randn(
        2, 7, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )

    expected = functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
    torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=0)


def test_the_paper_s_form_has_no_batch_norm_and_the_other_no_response_norm():
    kinds = {form: {type(layer) for layer in without_values(form).modules()} for form in FORMS}

    assert ResponseNorm in kinds["googlenet_paper"]
    assert nn.BatchNorm2d not in kinds["googlenet_paper"]
    assert nn.BatchNorm2d in kinds["googlenet"]
    assert ResponseNorm not in kinds["googlenet"]


def test_fresh_weights_of_torchvision_s_form_are_normal_and_small():
    torch.manual_seed(0)
    model = googlenet(50)

    layers = [model.backbone.inception5b.branch2[1].conv, model.auxiliary["4a"].fc1, model.head]
    for layer in layers:
        weight = layer.weight.detach()
        assert weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert weight.mean().abs().item() < 1e-3
        # A normal distribution has kurtosis 3, a uniform one 1.8.
        assert (weight / weight.std()).pow(4).mean().item() == pytest.approx(3, rel=0.1)
    norm = model.backbone.conv1.bn
    assert norm.eps == 1e-3
    assert torch.equal(norm.weight, torch.ones(64))
    assert torch.equal(norm.bias, torch.zeros(64))
    assert 0 < model.head.bias.abs().max() <= 1024**-0.5


def test_fresh_weights_of_the_paper_s_form_are_those_of_caffe():
    torch.manual_seed(0)
    model = googlenet_paper(50)

    inputs = {
        model.backbone.inception5b.branch2[1].conv: 192 * 9,
        model.auxiliary["4d"].fc1: 2048,
        model.head: 1024,
    }
    for layer, count in inputs.items():
        assert layer.weight.std().item() == pytest.approx(count**-0.5, rel=0.02)
        assert layer.weight.abs().max().item() == pytest.approx((3 / count) ** 0.5, rel=0.01)
    assert model.backbone.conv1.conv.bias.unique().tolist() == [pytest.approx(0.2)]
    assert model.auxiliary["4d"].fc1.bias.unique().tolist() == [pytest.approx(0.2)]
    assert model.head.bias.unique().tolist() == [0]
    assert model.auxiliary["4d"].fc2.bias.unique().tolist() == [0]


@pytest.mark.parametrize("form", FORMS)
def test_too_small_pictures_are_refused(form):
    model = without_values(form)

    with pytest.raises(ShapeError, match=r"this GoogLeNet .* 31 x 40 pixels\n.*at least 32 x 32"):
        model(torch.zeros(1, 3, 31, 40, device="meta"))
