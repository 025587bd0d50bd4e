"""PoolFormer's head against timm's, which differs; all else is compared in test_named.py."""

import timm
import torch

from manako.models.foreign.timm import from_timm
from manako.models.zoo import MODELS
from networks import CLOSE, difference, outputs, pair


def test_timms_own_head_gives_other_logits_from_the_same_maps():
    networks = pair(
        lambda: MODELS["poolformer_s12"].build(num_classes=11, in_channels=3),
        lambda: timm.create_model("poolformer_s12", num_classes=11),
        from_timm,
        torch.randn(2, 3, 33, 45, generator=torch.Generator().manual_seed(1)),
        maps={32: "stages.3"},
    )

    (logits, deepest, _), (their_logits, their_deepest, _) = outputs(networks)

    assert difference(deepest, their_deepest) < CLOSE
    assert difference(logits, their_logits) > 1e-3
