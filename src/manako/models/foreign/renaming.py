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

    Before that, tensors whose names end with one of `dropped` are left out (what is computed and
    not learned), and those whose names differ only in having one of the parts in `joined[0]` are
    put one below the other, under the name with `joined[1]` in its place.
    """

    mark: str
    rules: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    joined: tuple[tuple[str, ...], str] = ((), "")

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
    kept = {name: one for name, one in tensors.items() if not name.endswith(family.dropped)}
    whole = _join(kept, *family.joined)
    return {family.renamed(name): tensor for name, tensor in whole.items()}


def _join(tensors: Mapping[str, Tensor], parts: Sequence[str], whole: str) -> dict[str, Tensor]:
    """`tensors`, those of all `parts` joined; where one is missing, the others stay apart."""
    joined = dict(tensors)
    for name in [name for name in tensors if parts and parts[0] in name]:
        names = [name.replace(parts[0], part) for part in parts]
        if all(one in joined for one in names):
            rows = torch.cat([joined.pop(one) for one in names])
            joined[name.replace(parts[0], whole)] = rows
    return joined
