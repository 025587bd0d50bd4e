"""Where public weights lie: addresses, hashes, terms, and the pictures they were trained on.

torchvision writes the first eight digits of a file's SHA-256 into its name; huggingface.co tells
the whole digest when it is asked for the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from manako.errors import UsageError
from manako.models.foreign.libraries import HALF, IMAGENET, Normalisation, Triple

TORCHVISION = "https://download.pytorch.org/models/"
HUB = "https://huggingface.co/{repository}/resolve/main/model.safetensors"


@dataclass(frozen=True)
class Published:
    """One file of public weights.

    `layout` is the library whose names it holds, `label` tells it from other files of the model;
    `sha256` is what is known of its digest, empty where the server must be asked. `mean` and `std`
    normalised the pictures (values 0..1) that it was trained on; `side` is their size in pixels in
    the library's evaluation.
    """

    model: str
    layout: str
    label: str
    url: str
    sha256: str
    side: int
    mean: Triple
    std: Triple
    licence: str


_TERMS = "BSD-3-Clause; trained on ImageNet, whose terms (research, not commerce) may bind users"
_APACHE = _TERMS.replace("BSD-3-Clause", "Apache-2.0")
_SWAG = _TERMS.replace("BSD-3-Clause", "CC-BY-NC-4.0 (no commercial use)")


def _torchvision(
    model: str,
    *files: tuple[str, str],
    normalisation: Normalisation = IMAGENET,
    side: int = 224,
    licence: str = _TERMS,
) -> Iterable[Published]:
    """`files` are pairs (label, what stands in the file's name behind the model's)."""
    stem = "alexnet-owt" if model == "alexnet" else model
    for label, ending in files:
        joint = "_" if ending.count("-") else "-"
        url, digits = f"{TORCHVISION}{stem}{joint}{ending}.pth", ending.rpartition("-")[2]
        yield Published(model, "torchvision", label, url, digits, side, *normalisation, licence)


def _timm(
    model: str, tag: str, normalisation: Normalisation = HALF, side: int = 224
) -> Iterable[Published]:
    url = HUB.format(repository=f"timm/{model}.{tag}")
    yield Published(model, "timm", tag, url, "", side, *normalisation, licence=_APACHE)


V1 = "IMAGENET1K_V1"
V2 = "IMAGENET1K_V2"

PUBLISHED: tuple[Published, ...] = (
    *_torchvision("alexnet", (V1, "7be5be79")),
    *_torchvision("vgg11", (V1, "8a719046")),
    *_torchvision("vgg11_bn", (V1, "6002323d")),
    *_torchvision("vgg13", (V1, "19584684")),
    *_torchvision("vgg13_bn", (V1, "abd245e5")),
    *_torchvision("vgg16", (V1, "397923af")),
    *_torchvision("vgg16_bn", (V1, "6c64b313")),
    *_torchvision("vgg19", (V1, "dcbb9e9d")),
    *_torchvision("vgg19_bn", (V1, "c79401a0")),
    # torchvision's network itself goes on from ImageNet's normalisation to this one.
    *_torchvision("googlenet", (V1, "1378be20"), normalisation=HALF),
    *_torchvision("resnet18", (V1, "f37072fd")),
    *_torchvision("resnet34", (V1, "b627a593")),
    *_torchvision("resnet50", (V2, "11ad3fa6"), (V1, "0676ba61")),
    *_torchvision("resnet101", (V2, "cd907fc2"), (V1, "63fe2227")),
    *_torchvision("resnet152", (V2, "f82ba261"), (V1, "394f9c45")),
    *_torchvision("wide_resnet50_2", (V2, "9ba9bcbe"), (V1, "95faca4d")),
    *_torchvision("wide_resnet101_2", (V2, "d733dc28"), (V1, "32ee1156")),
    *_torchvision("densenet121", (V1, "a639ec97")),
    *_torchvision("densenet161", (V1, "8d451a50")),
    *_torchvision("densenet169", (V1, "b2777c0a")),
    *_torchvision("densenet201", (V1, "c1103571")),
    *_torchvision("efficientnet_b0", (V1, "rwightman-7f5810bc")),
    *_torchvision("efficientnet_b1", (V2, "c27df63c"), (V1, "rwightman-bac287d4"), side=240),
    *_torchvision("efficientnet_b2", (V1, "rwightman-c35c1473"), side=288),
    *_torchvision("efficientnet_b3", (V1, "rwightman-b3899882"), side=300),
    *_torchvision("efficientnet_b4", (V1, "rwightman-23ab8bcd"), side=380),
    *_torchvision("efficientnet_b5", (V1, "lukemelas-1a07897c"), side=456),
    *_torchvision("efficientnet_b6", (V1, "lukemelas-24a108a5"), side=528),
    *_torchvision("efficientnet_b7", (V1, "lukemelas-c5b4e57e"), side=600),
    *_torchvision("convnext_tiny", (V1, "983f1562")),
    *_torchvision("convnext_small", (V1, "0c510722")),
    *_torchvision("convnext_base", (V1, "6075fbad")),
    *_torchvision("convnext_large", (V1, "ea097f82")),
    *_torchvision("vit_b_16", (V1, "c867db91")),
    *_torchvision("vit_b_32", (V1, "d86f8d99")),
    *_torchvision("vit_l_16", (V1, "852ce7e3")),
    *_torchvision("vit_l_32", (V1, "c7638314")),
    *_torchvision("vit_h_14", ("IMAGENET1K_SWAG_LINEAR_V1", "lc_swag-c1eb923e"), licence=_SWAG),
    *_torchvision("swin_t", (V1, "704ceda3")),
    *_torchvision("swin_s", (V1, "5e29d889")),
    *_torchvision("swin_b", (V1, "68c6b09e")),
    *_timm("mobilenetv1_100", "ra4_e3600_r224_in1k"),
    *_timm("poolformer_s12", "sail_in1k", IMAGENET),
    *_timm("poolformer_s24", "sail_in1k", IMAGENET),
    *_timm("poolformer_s36", "sail_in1k", IMAGENET),
    *_timm("resnetv2_50", "a1h_in1k"),
    *_timm("resnetv2_101", "a1h_in1k"),
    *_timm("vit_tiny_patch16_224", "augreg_in21k_ft_in1k"),
    *_timm("vit_small_patch16_224", "augreg_in21k_ft_in1k"),
    *_timm("vit_small_patch32_224", "augreg_in21k_ft_in1k"),
)


def published(model: str, label: str | None = None) -> Published:
    """The file for `model` with that `label`; without one the first in the table.

    Errors: UsageError where the table has none, or none with that label.

    >>> published("resnet50").label, published("resnet50", "IMAGENET1K_V1").sha256
    ('IMAGENET1K_V2', '0676ba61')
    """
    files = [one for one in PUBLISHED if one.model == model]
    if not files:
        known = sorted({one.model for one in PUBLISHED})
        raise UsageError(
            f"manako knows no public weights of {model}",
            expected=f"one of: {', '.join(known)}",
            fix="download a file yourself, and give it to --weights as LIBRARY:FILE",
        )
    for one in files:
        if label in (None, one.label):
            return one
    raise UsageError(
        f"{model} has no public weights {label!r}",
        expected=f"one of: {', '.join(one.label for one in files)}",
    )
