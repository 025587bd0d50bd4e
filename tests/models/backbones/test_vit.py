import pytest
import torch
import torchvision
from torch import nn

from manako.errors import ShapeError, UsageError
from manako.models.backbones.vit import (
    BASE,
    HUGE,
    LARGE,
    SMALL,
    TINY,
    Attention,
    Block,
    Encoder,
    Shape,
    ViT,
    ViTClassifier,
)
from manako.models.backbones.vit_stem import ResNetStem
from manako.models.classifier import Classifier
from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS, create_model

LITTLE = Shape(width=24, depth=3, heads=4)


def random_images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def without_values(build):
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize(
    ("shape", "layers", "width", "mlp", "heads"),
    [
        (TINY, 12, 192, 768, 3),  # these two: DeiT, table 1
        (SMALL, 12, 384, 1536, 6),
        (BASE, 12, 768, 3072, 12),
        (LARGE, 24, 1024, 4096, 16),
        (HUGE, 32, 1280, 5120, 16),
    ],
)
def test_an_encoder_has_the_row_of_the_papers_table(shape, layers, width, mlp, heads):
    blocks = without_values(lambda: Encoder(shape)).blocks

    assert len(blocks) == layers
    for block in blocks:
        assert block.attention.heads == heads
        assert block.attention.qkv.weight.shape == (3 * width, width)
        assert block.mlp.fc1.weight.shape == (mlp, width)


@pytest.mark.parametrize(("patch", "size_hw"), [(4, (12, 32)), (7, (35, 7)), (16, (48, 16))])
@pytest.mark.parametrize("class_token", [True, False])
def test_the_map_has_one_place_for_each_patch(patch, size_hw, class_token):
    model = ViT(Encoder(LITTLE), 2, size=7 * patch, patch=patch, class_token=class_token)

    features, tokens = model.encode(random_images(2, 2, *size_hw))

    height, width = (side // patch for side in size_hw)
    assert model.channels == {patch: 24}
    assert {stride: tuple(one.shape) for stride, one in features.items()} == {
        patch: (2, 24, height, width)
    }
    assert tokens.shape == (2, height * width + class_token, 24)


def test_the_map_stands_as_the_picture_does():
    model = ViT(Encoder(LITTLE), 1, size=32, patch=8).eval()
    images = random_images(1, 1, 24, 40)

    features, tokens = model.encode(images)

    assert torch.equal(features[8][0, :, 2, 1], tokens[0, 1 + 2 * 5 + 1])
    patch = images[0, 0, 16:24, 8:16]
    grid = model.patches(images)
    expected = (model.patches.weight[:, 0] * patch).sum((1, 2)) + model.patches.bias
    torch.testing.assert_close(grid[0, :, 2, 1], expected)


def test_features_are_normalised():
    model = ViT(Encoder(LITTLE), size=32, patch=8).eval()

    features = model(random_images(2, 3, 32, 32))[8]

    torch.testing.assert_close(features.mean(1), torch.zeros(2, 4, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        features.var(1, correction=0), torch.ones(2, 4, 4), rtol=1e-3, atol=0
    )


def test_attention_equals_its_definition_head_by_head():
    layer = Attention(12, heads=3).double()
    nn.init.normal_(layer.qkv.bias)
    x = torch.randn(2, 5, 12, dtype=torch.float64)

    found = layer(x)

    query, key, value = (x @ layer.qkv.weight.T + layer.qkv.bias).split(12, dim=2)
    heads = []
    for start in (0, 4, 8):
        q, k, v = (one[:, :, start : start + 4] for one in (query, key, value))
        heads.append((q @ k.transpose(1, 2) / 2).softmax(2) @ v)
    expected = torch.cat(heads, 2) @ layer.proj.weight.T + layer.proj.bias
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_head_reads_the_class_token_or_the_mean_of_all_patches(pool):
    model = ViTClassifier(
        ViT(Encoder(LITTLE), size=32, patch=8, class_token=pool == "class"), num_classes=5
    ).eval()
    nn.init.normal_(model.head.weight)
    images = random_images(2, 3, 24, 32)

    logits = model(images)

    features, tokens = model.backbone.encode(images)
    summary = tokens[:, 0] if pool == "class" else features[8].mean((2, 3))
    torch.testing.assert_close(logits, model.head(summary))


def test_the_options_arrive():
    model = without_values(
        lambda: MODELS["vit_b_16"].build(
            num_classes=3,
            in_channels=3,
            **{"size": 96, "patch": 8, "pool": "mean", "norm": "post"},
            **{"dropout": 0.1, "stochastic_depth": 0.2, "eps": 1e-5},
        )
    )

    backbone = model.backbone
    assert backbone.patches.kernel_size == backbone.patches.stride == (8, 8)
    assert backbone.tokens.positions.shape == (1, 12 * 12, 768)
    assert backbone.tokens.class_token is None
    assert isinstance(backbone.encoder.norm, nn.Identity)
    assert not any(block.is_pre_norm for block in backbone.encoder.blocks)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.LayerNorm)]
    assert [layer.eps for layer in norms] == [1e-5] * 24
    dropouts = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.1] * (1 + 2 * 12)
    rates = [block.stochastic_depth.rate for block in backbone.encoder.blocks]
    assert rates == pytest.approx([0.2 * number / 11 for number in range(12)])


def test_stochastic_depth_leaves_out_each_branch_by_a_coin_of_its_own():
    torch.manual_seed(0)
    block = Block(8, 2, stochastic_depth=0.5).train()
    x = torch.randn(1, 3, 8).expand(64, 3, 8)

    found = block(x)

    rare = x + 2 * block.attention(block.norm1(x))  # a branch that stays counts twice
    kinds = [x, rare, x + 2 * block.mlp(block.norm2(x)), rare + 2 * block.mlp(block.norm2(rare))]
    is_kind = torch.stack([(found - kind).abs().amax((1, 2)) < 1e-5 for kind in kinds])
    assert torch.equal(is_kind.sum(0), torch.ones(64, dtype=torch.int64))
    assert is_kind.sum(1).min() > 5


def test_at_the_size_it_is_made_for_nothing_is_interpolated():
    tokens = ViT(Encoder(LITTLE), size=32, patch=8).tokens

    assert tokens.positions_for((4, 4)) is tokens.positions
    assert tokens.positions_for((2, 8)) is not tokens.positions


@pytest.mark.parametrize("grid_hw", [(4, 4), (3, 9)])
def test_every_token_gets_its_own_position(grid_hw):
    tokens = ViT(Encoder(LITTLE), size=32, patch=8).tokens
    nn.init.normal_(tokens.class_token)
    patches = random_images(2, 24, *grid_hw)

    found = tokens(patches) - tokens.positions_for(grid_hw)

    torch.testing.assert_close(found[:, :1], tokens.class_token.expand(2, 1, 24))
    torch.testing.assert_close(found[:, 1:], patches.flatten(2).transpose(1, 2))


def test_equal_positions_stay_equal_at_every_size():
    tokens = ViT(Encoder(LITTLE), size=32, patch=8).tokens
    nn.init.constant_(tokens.positions, 0.3)

    for grid_hw in [(1, 1), (2, 7), (9, 5)]:
        found = tokens.positions_for(grid_hw)

        torch.testing.assert_close(found, torch.full((1, 1 + grid_hw[0] * grid_hw[1], 24), 0.3))


def test_gradients_at_another_size_are_the_same_twice():
    model = create_model("vit_tiny_patch4_32", num_classes=3).train()
    nn.init.normal_(model.head.weight)
    images = random_images(3, 3, 24, 20)
    gradients = []

    for _ in range(2):
        model.zero_grad()
        model(images).square().sum().backward()
        gradients.append({name: one.grad for name, one in model.named_parameters()})

    first, second = gradients
    assert first["backbone.tokens.positions"].abs().min() > 0
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fresh_weights_have_the_statistics_of_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.VisionTransformer(32, 4, 4, 3, 192, 768, num_classes=10)
    ours = ViTClassifier(ViT(Encoder(Shape(192, 4, 3)), size=32, patch=4), num_classes=10)

    found, expected = ours.state_dict(), from_torchvision(theirs.state_dict())

    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        if tensor.std() == 0:
            assert torch.equal(found[name], tensor), name
            continue
        size = tensor.numel() ** -0.5
        assert found[name].std().item() == pytest.approx(tensor.std().item(), rel=5 * size), name
        assert abs(found[name].mean()) < 5 * size * tensor.std(), name
        extreme = found[name].abs().max().item()
        assert extreme == pytest.approx(tensor.abs().max().item(), rel=0.25), name


def test_a_fresh_network_prefers_no_class_and_its_tokens_are_of_moderate_size():
    torch.manual_seed(0)
    model = create_model("vit_tiny_patch4_32")

    logits = model(random_images(2, 3, 32, 32))
    patches = model.backbone.patches(random_images(2, 3, 32, 32))

    assert torch.equal(logits, torch.zeros(2, 10))
    assert 0.8 < patches.std() < 1.2


def test_a_mean_over_the_map_is_what_the_general_classifier_computes():
    model = ViT(Encoder(LITTLE), size=32, patch=8, class_token=False).eval()
    one, other = ViTClassifier(model, 5), Classifier(model, 5)
    one.head = other.head
    images = random_images(2, 3, 32, 32)

    torch.testing.assert_close(one(images), other(images))


@pytest.mark.parametrize("size_hw", [(16, 24), (33, 32), (0, 16)])
def test_pictures_that_cannot_be_cut_into_patches_are_refused(size_hw):
    model = ViT(Encoder(LITTLE))
    height, width = size_hw

    with pytest.raises(
        ShapeError, match=rf"Vision Transformer .* {height} x {width} .*\n.*multiples of 16"
    ):
        model(torch.zeros(1, 3, *size_hw))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 225}, "pictures of 225 pixels cannot be cut into patches of 16"),
        ({"size": 0}, "pictures of 0 pixels cannot be cut"),
        ({"patch": 0}, "cannot be cut into patches of 0"),
        ({"patch": -16}, "cannot be cut into patches of -16"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1, not 1.0"),
        ({"dropout": -0.1}, "dropout must be 0 or more and below 1, not -0.1"),
        ({"stochastic_depth": 1.0}, "stochastic depth cannot have the rate 1.0"),
        ({"eps": 0.0}, "the eps of a LayerNorm must be above 0, not 0.0"),
        ({"pool": "max"}, "option pool='max' of vit_b_16: .*'class' or 'mean'"),
        ({"norm": "none"}, "option norm='none' of vit_b_16: .*'pre' or 'post'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with torch.device("meta"), pytest.raises(UsageError, match=message):
        create_model("vit_b_16", **options)


@pytest.mark.parametrize(
    ("name", "layers", "strides"),
    [
        ("vit_small_r26_s32_224", 26, (4, 8, 16, 32)),
        ("vit_base_r50_s16_224", 50, (4, 8, 16)),
        ("vit_large_r50_s32_224", 50, (4, 8, 16, 32)),
    ],
)
def test_the_hybrids_have_the_layers_of_their_resnet_and_its_finer_maps(name, layers, strides):
    model = without_values(lambda: MODELS[name].build(num_classes=3, in_channels=1))

    features = model.backbone(torch.zeros(2, 1, 64, 96, device="meta"))

    main_path = [
        key
        for key, layer in model.backbone.stem.named_modules()
        if isinstance(layer, nn.Conv2d) and "downsample" not in key
    ]
    assert len(main_path) + 1 == layers
    assert tuple(features) == tuple(model.backbone.channels) == strides
    for stride, channels in model.backbone.channels.items():
        assert features[stride].shape == (2, channels, 64 // stride, 96 // stride)
    assert model.backbone.channels[strides[-1]] == model.head.in_features


def test_a_patch_of_a_hybrid_counts_places_of_the_deepest_map():
    model = ViT(Encoder(LITTLE), size=64, patch=2, stem=ResNetStem((1, 1)))

    features = model(torch.zeros(1, 3, 32, 48))

    assert {stride: tuple(one.shape[1:]) for stride, one in features.items()} == {
        4: (256, 8, 12),
        8: (512, 4, 6),
        16: (24, 2, 3),
    }
