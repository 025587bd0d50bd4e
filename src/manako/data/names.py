"""Which names count: pictures, splits of a data set, and files that systems leave behind."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
"""Endings of files that are read as pictures, in lower case."""

WHOLE = "all"
"""The only split of a data set that comes without any."""

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a split may be called, and the one name that manako uses."""

_IGNORED = re.compile(r"(?:^|/)(?:\.|(?:__macosx|thumbs\.db|desktop\.ini)(?:/|$))", re.IGNORECASE)


def is_ignored(path: str) -> bool:
    """Whether a relative path has a part that is hidden (`.git`, `._1.jpg`) or a system's own.

    >>> is_ignored("cat/.DS_Store"), is_ignored("cat/Thumbs.db"), is_ignored("cat/1.jpg")
    (True, True, False)
    """
    return _IGNORED.search(path) is not None


def suffix(path: str) -> str:
    """The ending of a file's name with its dot, in lower case; empty if it has none.

    >>> suffix("train/cat.v2/1.JPG"), suffix("train/cat.v2/README")
    ('.jpg', '')
    """
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


def stem(path: str) -> str:
    """A path without the ending of its name, in composed form, for finding what belongs together.

    >>> stem("train/cat.v2/1.jpg")
    'train/cat.v2/1'
    """
    return composed(path[: len(path) - len(suffix(path))])


def is_picture(path: str) -> bool:
    """Whether a file is named like a picture that can be read."""
    return suffix(path) in PICTURE_SUFFIXES


def split_name(name: str) -> str | None:
    """The split that a folder, list or table means by `name`; None if it is no split.

    >>> split_name("Validation"), split_name("cat")
    ('val', None)
    """
    return SPLITS.get(name.lower())


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), so that é is é however it was typed or stored."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming what resembles `name`, empty if nothing does.

    >>> nearest("cta.jpg", ["cat.jpg", "dog.jpg"])
    "did you mean 'cat.jpg'?"
    """
    near = difflib.get_close_matches(name, list(known)[:5000], n=3, cutoff=0.6)
    return "did you mean " + " or ".join(repr(one) for one in near) + "?" if near else ""


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first few names, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
