"""Another library's names for the tensors of a network, and ours, as tables of patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

OUTSIDE = ("head.", "map_norm.", "mean_norm.")
"""The parts of a classifier that are not in its backbone."""


@dataclass(frozen=True)
class Family:
    """How one library names the tensors of one family of networks.

    `mark` is a regular expression that matches the beginning of some name in every network of the
    family and of no other in the library. `rules` are pairs (regular expression, replacement):
    the first that matches the beginning of a name rewrites that beginning. What no rule matches
    keeps its name, and all but the parts in `OUTSIDE` goes under `backbone.`.

    `joined` are pairs (our part, their parts): tensors whose new names differ in one of their
    parts only are stacked, row block after row block, to one of our name. `dropped` matches the
    beginnings of the names (theirs) of tensors that our network has no use for.
    """

    mark: str
    rules: tuple[tuple[str, str], ...] = ()
    joined: tuple[tuple[str, tuple[str, ...]], ...] = ()
    dropped: str = r"(?!)"  # matches nothing

    def renamed(self, name: str) -> str:
        """Our name of the tensor `name`.

        >>> Family("", ((r"fc[.]", "head."), (r"conv(\\d)[.]", r"stem.\\1."))).renamed("conv2.bias")
        'backbone.stem.2.bias'
        """
        for pattern, replacement in self.rules:
            ours, found = re.subn(rf"\A(?:{pattern})", replacement, name, count=1)
            if found:
                name = ours
                break
        return name if name.startswith(OUTSIDE) else f"backbone.{name}"


def rename(tensors: Mapping[str, Tensor], families: Sequence[Family]) -> dict[str, Tensor]:
    """`tensors` under our names, by the first family whose mark is among their names.

    Tensors of no family keep their names under `backbone.`; that they fit no model is then said
    where they are loaded, with the names that are missing.
    """
    family = next(
        (one for one in families if any(re.match(one.mark, name) for name in tensors)), Family("")
    )
    renamed = {
        family.renamed(name): tensor
        for name, tensor in tensors.items()
        if not re.match(family.dropped, name)
    }
    for whole, parts in family.joined:
        renamed = join(renamed, whole, parts)
    return renamed


def join(tensors: Mapping[str, Tensor], whole: str, parts: Sequence[str]) -> dict[str, Tensor]:
    """`tensors`, those called `parts` stacked to one called `whole`, wherever all parts are there.

    Parts that cannot be stacked stay as they are.

    >>> one, two = torch.zeros(1, 5), torch.zeros(2, 5)
    >>> found = join({"0.q.weight": one, "0.k.weight": two, "0.q.bias": one}, "qk", ("q", "k"))
    >>> {name: tuple(tensor.shape) for name, tensor in found.items()}
    {'0.q.bias': (1, 5), '0.qk.weight': (3, 5)}
    """
    result = dict(tensors)
    for name in tensors:
        before, found, after = name.partition(f".{parts[0]}.")
        names = [f"{before}.{part}.{after}" for part in parts]
        if not found or not all(one in tensors for one in names):
            continue
        pieces = [tensors[one] for one in names]
        if pieces[0].ndim and len({piece.shape[1:] for piece in pieces}) == 1:
            result[f"{before}.{whole}.{after}"] = torch.cat(pieces)
            for one in names:
                del result[one]
    return result
