"""What is said of public weights against what their publishers say."""

import pytest
import timm
from torchvision.models import get_model_weights

from manako.models.foreign.published import PUBLISHED


@pytest.mark.parametrize(
    "ours", [one for one in PUBLISHED if one.layout == "torchvision"], ids=lambda one: one.url[-30:]
)
def test_torchvision_says_the_same(ours):
    theirs = get_model_weights(ours.model)[ours.label]
    transform = theirs.transforms()

    assert ours.url == theirs.url
    assert [ours.side] == transform.crop_size
    assert ("NC" in ours.licence) == ("SWAG" in theirs.meta.get("license", ""))
    if ours.model != "googlenet":  # whose network itself goes on from this to another
        assert list(ours.mean) == transform.mean
        assert list(ours.std) == transform.std


@pytest.mark.parametrize(
    "ours", [one for one in PUBLISHED if one.layout == "timm"], ids=lambda one: one.model
)
def test_timm_says_the_same(ours):
    theirs = timm.get_pretrained_cfg(f"{ours.model}.{ours.label}")

    assert ours.url == f"https://huggingface.co/{theirs.hf_hub_id}/resolve/main/model.safetensors"
    assert theirs.input_size == (3, ours.side, ours.side)
    assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
    assert theirs.license in ("apache-2.0", None)
