"""Our PoolFormers against transformers', and against timm's up to its head."""

import os

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PoolFormerConfig, PoolFormerForImageClassification

from manako.models.foreign.timm import from_timm
from manako.models.foreign.transformers import from_transformers
from manako.models.zoo import MODELS
from networks import CLOSE, after_a_training_step, difference, largest_error, outputs, pair

ALL = os.environ.get("MANAKO_PARITY") == "all"
CASES = [("poolformer_s12", 5)]
CASES += [(f"poolformer_{size}", 3) for size in ("s12", "s24", "s36", "m36", "m48")] if ALL else []
DEPTHS = {"12": (2, 2, 6, 2), "24": (4, 4, 12, 4), "36": (6, 6, 18, 6), "48": (8, 8, 24, 8)}
WIDTHS = {"s": (64, 128, 320, 512), "m": (96, 192, 384, 768)}


def the_two(case, theirs, convert, **more):
    name, in_channels = case
    # Odd sizes, so that strides round: 33 x 45, 8 x 11, 4 x 6, 2 x 3, 1 x 2.
    images = torch.randn(2, in_channels, 33, 45, generator=torch.Generator().manual_seed(1))
    return pair(
        lambda: MODELS[name].build(num_classes=11, in_channels=in_channels),
        theirs,
        convert,
        images,
        **more,
    )


def ids(case):
    return f"{case[0]}-{case[1]}"


@pytest.fixture(scope="module", params=CASES, ids=ids)
def with_transformers(request):
    name, in_channels = request.param
    size = name.removeprefix("poolformer_")
    config = PoolFormerConfig(
        depths=DEPTHS[size[1:]],
        hidden_sizes=WIDTHS[size[0]],
        num_channels=in_channels,
        num_labels=11,
    )
    return the_two(
        request.param, lambda: PoolFormerForImageClassification(config), from_transformers
    )


class NormThenMean(nn.GroupNorm):
    """The end of the authors' network, under the name of timm's norm."""

    def forward(self, x):
        return super().forward(x).mean((2, 3))


def timms(name, in_channels, *, own_head):
    model = timm.create_model(name, num_classes=11, in_chans=in_channels)
    if not own_head:
        model.head.global_pool = nn.Identity()
        model.head.norm = NormThenMean(1, model.num_features)
    return model


@pytest.fixture(scope="module", params=CASES, ids=ids)
def with_timm(request):
    return the_two(
        request.param,
        lambda: timms(*request.param, own_head=False),
        from_timm,
        maps={4: "stages.0", 8: "stages.1", 16: "stages.2", 32: "stages.3"},
    )


def training_errors(networks, loss):
    """Ours and theirs after a step, without the biases that a pooling takes away again."""
    ours, theirs = after_a_training_step(networks, loss)
    vanishing = [name for name in ours if name.endswith("norm1.bias")]
    assert vanishing
    for name in vanishing:
        assert max(found.pop(name).abs().max() for found in (ours, theirs)) < 1e-12
    assert {"head.weight", "map_norm.bias"} <= ours.keys()
    return largest_error(ours, theirs)


def test_logits_and_input_gradients_equal_those_of_transformers(with_transformers):
    ours, theirs = outputs(with_transformers)

    assert len(ours) == 2
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_of_a_training_step_equal_those_of_transformers(with_transformers):
    def loss(given):
        return cross_entropy(getattr(given, "logits", given), torch.tensor([3, 7]))

    assert training_errors(with_transformers, loss) < CLOSE


def test_with_the_authors_head_on_timms_body_all_is_equal(with_timm):
    ours, theirs = outputs(with_timm)

    assert len(ours) == 6
    for found, expected in zip(ours, theirs, strict=True):
        assert difference(found, expected) < CLOSE


def test_gradients_of_a_training_step_equal_those_of_timms_body(with_timm):
    def loss(logits):
        return cross_entropy(logits, torch.tensor([3, 7]))

    assert training_errors(with_timm, loss) < CLOSE


def test_timms_own_head_gives_other_logits_from_the_same_maps():
    networks = the_two(
        CASES[0],
        lambda: timms(*CASES[0], own_head=True),
        from_timm,
        maps={32: "stages.3"},
    )

    (logits, deepest, _), (their_logits, their_deepest, _) = outputs(networks)

    assert difference(deepest, their_deepest) < CLOSE
    assert difference(logits, their_logits) > 1e-3
