"""Forms of Swin Transformers against torchvision's, timm's and transformers'.

Odd windows, patches and sides in small networks; those with a name are in test_named.py.
"""

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer as TimmSwin
from torchvision.models import SwinTransformer as TorchvisionSwin
from transformers import SwinConfig, SwinForImageClassification

from manako.models.backbones.swin import SwinTransformer, swin_classifier
from manako.models.foreign.timm import from_timm
from manako.models.foreign.torchvision import from_torchvision
from manako.models.foreign.transformers import from_transformers
from manako.models.weights import load_weights
from manako.models.zoo import MODELS
from manako.storage.tensors import save_tensors
from networks import (
    CLOSE,
    error_of_a_training_step,
    error_of_outputs,
    names_in_files,
    pair,
)
from references import channels_first

SMALL = {"embed_dim": 32, "depths": [2, 2, 3, 1], "num_heads": [1, 2, 4, 8], "window_size": 3}


def images(count, channels, height, width):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, height, width, generator=generator)


def small(in_channels=3, **options):
    return lambda: swin_classifier(SwinTransformer(32, (2, 2, 3, 1), in_channels, **options), 11)


def with_torchvision(ours, theirs, size_hw, stages=4, patch=4):
    return pair(
        ours,
        theirs,
        from_torchvision,
        images(2, 3, *size_hw),
        maps={patch * 2**stage: f"features.{2 * stage + 1}" for stage in range(stages)},
        to_ours=channels_first,
        with_values=True,
    )


def torchvision_form(size_hw, window, patch, mlp_ratio):
    def theirs():
        return TorchvisionSwin(
            [patch, patch], 32, [2, 2, 3, 1], [1, 2, 4, 8], [window, window], mlp_ratio,
            num_classes=11, stochastic_depth_prob=0.0,
        )  # fmt: skip

    ours = small(window=window, patch=patch, mlp_ratio=mlp_ratio)
    return with_torchvision(ours, theirs, size_hw, patch=patch)


def torchvision_32():
    def ours():
        return MODELS["swin_t_32"].build(num_classes=11, in_channels=3)

    def theirs():
        return TorchvisionSwin([2, 2], 96, [2, 6, 4], [3, 6, 12], [4, 4], 2.0, num_classes=11)

    return with_torchvision(ours, theirs, (32, 32), stages=3, patch=2)


def with_timm(ours, theirs, size, channels=3, patch=4):
    return pair(
        ours,
        theirs,
        from_timm,
        images(2, channels, size, size),
        maps={patch * 2**stage: f"layers.{stage}" for stage in range(4)},
        to_ours=channels_first,
        with_values=True,
    )


def timm_form():
    """timm makes windows smaller, not maps larger: every side must be a multiple of the window."""

    def theirs():
        return TimmSwin(48, 2, 1, 11, drop_path_rate=0.0, **SMALL)

    return with_timm(small(1, window=3, patch=2), theirs, 48, channels=1, patch=2)


def with_transformers(ours, config, size, channels=3):
    return pair(
        ours,
        lambda: SwinForImageClassification(config),
        lambda tensors: from_transformers(names_in_files(tensors)),
        images(2, channels, size, size),
        with_values=True,
    )


def transformers_form():
    config = SwinConfig(
        image_size=48, patch_size=2, num_channels=1, num_labels=11, drop_path_rate=0.0, **SMALL
    )
    return with_transformers(small(1, window=3, patch=2), config, 48, channels=1)


PAIRS = {
    "torchvision, shifted along one side": lambda: torchvision_form((17, 50), 9, 2, 4),
    "torchvision, even window": lambda: torchvision_form((37, 50), 4, 2, 2),
    "torchvision, window of 1": lambda: torchvision_form((33, 40), 1, 4, 3),
    "torchvision swin_t_32": torchvision_32,
    "timm": timm_form,
    "transformers": transformers_form,
}


@pytest.fixture(scope="module", params=PAIRS)
def both(request):
    return PAIRS[request.param]()


def test_logits_feature_maps_and_input_gradients_equal_the_references(both):
    assert error_of_outputs(both) < CLOSE


def test_gradients_of_a_training_step_equal_the_references(both):
    assert error_of_a_training_step(both) < CLOSE


def test_a_file_of_torchvision_serves_other_classes_and_grey_pictures(tmp_path):
    theirs = TorchvisionSwin([4, 4], 32, [2, 2], [1, 2], [3, 3], num_classes=11).eval()
    save_tensors(tmp_path / "swin.safetensors", theirs.state_dict())
    ours = swin_classifier(SwinTransformer(32, (2, 2), 1, window=3), 7).eval()
    grey = images(2, 1, 40, 29)

    loaded = load_weights(ours, f"torchvision:{tmp_path / 'swin.safetensors'}")

    assert loaded.message == (
        "head replaced (11 -> 7 classes); 61 of 61 other tensors loaded; "
        "first convolution fitted from 3 channels to 1"
    )
    expected = theirs.features(grey.expand(2, 3, 40, 29)).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours.backbone(grey)[8], expected, rtol=1e-4, atol=1e-5)
