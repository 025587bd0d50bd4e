"""The libraries whose weight files are read: their names in ours, their terms, their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from manako.models.foreign.timm import from_timm
from manako.models.foreign.torchvision import from_torchvision
from manako.models.foreign.transformers import from_transformers

Triple = tuple[float, float, float]
Normalisation = tuple[Triple, Triple]

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Library:
    """What is known of all files of a library.

    `renamed` gives the tensors under our names. `licence` says on which terms they come, as far as
    is known; this is no legal advice. `normalisation` is the mean and the deviation of red, green
    and blue (0..1) by which the pictures were normalised, None where it differs from file to file;
    `exceptions` are models for which it was another.
    """

    renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    licence: str
    normalisation: Normalisation | None = None
    exceptions: Mapping[str, Normalisation] = field(default_factory=dict)


_IMAGENET_TERMS = "trained on ImageNet, whose terms (research, not commerce) may bind users too"

LIBRARIES: dict[str, Library] = {
    "torchvision": Library(
        from_torchvision,
        f"BSD-3-Clause, but SWAG's files (vit_h_14) CC-BY-NC-4.0; {_IMAGENET_TERMS}",
        IMAGENET,
        {"googlenet": HALF},  # its network itself goes on from ImageNet's to this one
    ),
    "timm": Library(
        from_timm, f"stated on each file's page, mostly Apache-2.0; mostly {_IMAGENET_TERMS}"
    ),
    "transformers": Library(
        from_transformers, f"stated on each file's page; mostly {_IMAGENET_TERMS}"
    ),
}
