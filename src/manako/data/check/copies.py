"""Which pictures are the same one: equal pixels, or coded or scaled anew.

Equal pixels are found by their digest. For the others there are three steps: pictures whose 8 x 8
grey versions lie near each other (`neighbours`), of these those whose 16 x 16 versions agree, and
of these those whose squeezed versions of up to 64 x 64 pixels differ by no more than coding does.

How the limits were chosen. Copies were made of 30 to 60 photographs each from six sets (clothing,
pets, street scenes, blood cells, chess boards, COCO): JPEG quality 30, 60 and 85, at their own
size and scaled by 0.5, 0.7, 1.5 and 2 with four filters. The others are the nearest pictures of
these sets and of MNIST, Fashion-MNIST and CIFAR-10, and neighbouring frames of CamVid, of which
the hardest are a second apart while the car stands still. Grey values are 0..255; of differences
the largest thousandth is left out, for a logo or a speck.

                                        copies, most   limit   others, least
    root mean square, 8 x 8 grey        1.4            2.5     3.5 (Fashion-MNIST, brightened)
    colour, root mean square, 16 x 16   4.7            6       12 (CIFAR-10, recoloured)
    grey difference, same size          5.4            7.5     10 (standing car), 14 (Fashion-MNIST)
    grey difference, scaled             16.6           17      19 (MNIST), 37 (clothing)
    root mean square, scaled            3.2            3.3     3.3 (MNIST), 9.7 (clothing)
    correlation of details, least       0.90           0.9

All copies of photographs were found. Pictures of a few dozen pixels change more when they are
coded: of those of CIFAR-10 half are missed at quality 30, and a quarter or more when scaled.
Changes on purpose (colours, crops, mirrors) are not looked for. What is `alike` but no copy, such
as frames of one scene, is only told. A picture without contrast has nothing by which it could be
known again: only equal pixels count there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manako.data.check.neighbours import near_pairs
from manako.data.check.pictures import SMALL, Seen, squeezed
from manako.data.dataset import Item
from manako.data.decode import decode_image
from manako.data.files import FileTree

RADII = (6.0, 3.0)
"""Root mean square difference of 8 x 8 grey versions up to which pictures are compared: the first,
or the second where that would take too long because very many pictures resemble each other."""
MOST_COMPARED = (60_000_000, 600_000_000)
MOST_PAIRS = 200_000

LEAST_CONTRAST = 4.0  # standard deviation of the small picture
LEAST_CORRELATION = 0.9  # of details
MOST_MEAN = 2.5
MOST_SMALL = 24.0  # grey difference of the small pictures, for a start
MOST_COLOUR = 6.0
MOST_DIFFERENCE = 7.5  # of pictures of one size
MOST_DIFFERENCE_SCALED = 17.0
MOST_MEAN_SCALED = 3.3
UNHEEDED = 1000  # one pixel of so many may differ more
SIDES = (16, 32, 64)  # squeezed to the largest of these that is a third of the shorter side
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Copies:
    """Groups of indices of the same picture, pairs that look alike, and whether all were found."""

    groups: tuple[tuple[int, ...], ...]
    alike: tuple[tuple[int, int], ...]
    complete: bool


def find_copies(
    files: FileTree, items: Sequence[Item], seen: Sequence[Seen], threads: int = 1
) -> Copies:
    """Compare all pictures that could be decoded; some are decoded once more for it."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for index, one in enumerate(seen):
        if not one.error:
            same[one.digest].append(index)
    firsts = np.array([group[0] for group in same.values()], dtype=np.int64)
    small = _small(seen, firsts)
    clear = small.std(axis=(1, 2)).max(axis=1) >= LEAST_CONTRAST
    firsts, small = firsts[clear], small[clear]
    pairs, complete = _near(small)
    pairs = pairs[_alike(small, pairs)]
    maybe = _small_agree(small, pairs)
    named = firsts[pairs]
    differences = np.full(len(pairs), np.inf)
    differences[maybe] = _confirmed(files, items, seen, named[maybe], threads)
    groups = _Groups(same.values())
    for a, b in named[np.isinf(differences)].tolist():
        if seen[a].size_hw == seen[b].size_hw:
            groups.keep_apart(a, b)
    for place in np.argsort(differences, kind="stable")[: np.isfinite(differences).sum()]:
        groups.join(*named[place].tolist())
    alike = tuple((a, b) for a, b in named.tolist() if not groups.are_joined(a, b))
    return Copies(groups.found(), alike, complete)


def _small(seen: Sequence[Seen], indices: Pairs) -> Floats:
    """The small pictures [N, 16, 16, 3]."""
    data = b"".join(seen[index].small for index in indices)
    return np.frombuffer(data, np.uint8).reshape(-1, SMALL, SMALL, 3).astype(np.float32)


def _near(small: Floats) -> tuple[Pairs, bool]:
    greys = _halved(small @ _LUMA)
    for radius, most in zip(RADII, MOST_COMPARED, strict=True):
        near = near_pairs(greys, radius, most_compared=most, most_pairs=MOST_PAIRS)
        if near.complete:
            break
    return near.pairs, near.complete


def _halved(greys: Floats) -> Floats:
    result: Floats = greys.reshape(len(greys), SMALL // 2, 2, SMALL // 2, 2).mean(axis=(2, 4))
    return result


def _alike(small: Floats, pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the details of both small pictures correspond, whatever their brightness."""
    greys = small @ _LUMA
    return _correlations(greys[pairs[:, 0]], greys[pairs[:, 1]]) >= LEAST_CORRELATION


def _correlations(first: Floats, second: Floats) -> Floats:
    """Of the steps from pixel to pixel of pictures [M, S, S]."""
    a, b = _steps(first), _steps(second)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    result: Floats = (a * b).sum(axis=1) / np.maximum(norms, 1e-6)
    return result


def _steps(greys: Floats) -> Floats:
    count, side, _ = greys.shape
    steps = (np.diff(greys, axis=2), np.diff(greys, axis=1))
    return np.concatenate([one.reshape(count, side * (side - 1)) for one in steps], axis=1)


def _small_agree(small: Floats, pairs: Pairs) -> Pairs:
    """Places in `pairs` of those that may be copies, by their small pictures."""
    difference = small[pairs[:, 0]] - small[pairs[:, 1]]
    grey = (difference @ _LUMA).astype(np.float32)
    colour = np.sqrt(((difference - grey[..., None]) ** 2).mean(axis=(1, 2, 3)))
    mean = np.sqrt((_halved(grey) ** 2).mean(axis=(1, 2)))
    close = np.abs(grey).max(axis=(1, 2), initial=0.0) <= MOST_SMALL
    return np.flatnonzero(close & (colour <= MOST_COLOUR) & (mean <= MOST_MEAN))


def _confirmed(
    files: FileTree, items: Sequence[Item], seen: Sequence[Seen], pairs: Pairs, threads: int
) -> list[float]:
    """The mean difference of each pair, infinite where it is more than coding and scaling do."""
    needed = sorted(set(pairs.flatten().tolist()))

    def load(index: int) -> dict[int, Floats]:
        name = items[index].image
        return _greys(decode_image(files.read(name), name).numpy())

    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="comparing") as pool:
        greys = dict(zip(needed, pool.map(load, needed), strict=True))
    found = []
    for a, b in pairs.tolist():
        side = max(greys[a].keys() & greys[b].keys())
        is_same_size = seen[a].size_hw == seen[b].size_hw
        found.append(_coding_difference(greys[a][side], greys[b][side], is_same_size))
    return found


def _greys(pixels: NDArray[np.uint8]) -> dict[int, Floats]:
    """Side -> the picture [3, H, W] squeezed to that many grey pixels, for sides that suit it."""
    shorter = min(pixels.shape[1:])
    sides = [side for side in SIDES if side <= max(shorter // 3, SIDES[0])]
    return {side: (squeezed(pixels, side) @ _LUMA).astype(np.float32) for side in sides}


def _coding_difference(first: Floats, second: Floats, is_same_size: bool) -> float:
    """The root mean square difference; infinite where it cannot come from coding and scaling."""
    if _correlations(first[None], second[None])[0] < LEAST_CORRELATION:
        return np.inf
    difference = np.sort(np.abs(first - second), axis=None)
    largest = difference[-1 - len(difference) // UNHEEDED]
    mean = float(np.sqrt((difference**2).mean()))
    if is_same_size:
        return mean if largest <= MOST_DIFFERENCE else np.inf
    return mean if largest <= MOST_DIFFERENCE_SCALED and mean <= MOST_MEAN_SCALED else np.inf


class _Groups:
    """Groups that grow together, unless two members are known to be different pictures.

    The limits for scaled pictures are wide: a scaled copy of one frame of a scene is within them
    of the next frame too, and must not make both the same.
    """

    def __init__(self, groups: Iterable[Sequence[int]]) -> None:
        self.members: dict[int, list[int]] = {}  # one list for all of a group
        self.apart: dict[int, set[int]] = defaultdict(set)
        for group in groups:
            shared = list(group)
            for one in group:
                self.members[one] = shared

    def keep_apart(self, a: int, b: int) -> None:
        """Make sure that two groups are never joined."""
        for one in self.members[a]:
            self.apart[one].update(self.members[b])
        for one in self.members[b]:
            self.apart[one].update(self.members[a])

    def join(self, a: int, b: int) -> None:
        """Make one group of two, where nothing is against it."""
        first, second = self.members[a], self.members[b]
        if first is second or any(self.apart[one].intersection(second) for one in first):
            return
        first.extend(second)
        for one in second:
            self.members[one] = first

    def are_joined(self, a: int, b: int) -> bool:
        """Whether two are in one group."""
        return self.members[a] is self.members[b]

    def found(self) -> tuple[tuple[int, ...], ...]:
        """The groups of more than one, sorted."""
        groups = {id(group): tuple(sorted(group)) for group in self.members.values()}
        return tuple(sorted(group for group in groups.values() if len(group) > 1))
