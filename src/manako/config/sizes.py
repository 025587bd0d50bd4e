"""Picture sizes as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from manako.errors import UsageError

_SIZE = re.compile(r"(\d{1,5})(?:[x×](\d{1,5}))?")


def parse_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of `224` (a square) or `360x480` (height x width).

    >>> parse_size("224"), parse_size("360x480")
    ((224, 224), (360, 480))
    """
    match = _SIZE.fullmatch(text.strip().lower())
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if height < 1 or width < 1:
        raise UsageError(
            f"{text!r} is no picture size",
            expected="pixels, as in 224 (a square) or 360x480 (height x width)",
        )
    return height, width


def parse_sides(text: str) -> tuple[int, ...]:
    """One to three numbers: values, bands and moments, or slices, rows and columns.

    >>> parse_sides("8000"), parse_sides("32x48x48")
    ((8000,), (32, 48, 48))
    """
    parts = re.split("[x×]", text.strip().lower())
    if len(parts) > 3 or not all(re.fullmatch(r"\d{1,7}", one) and int(one) for one in parts):
        raise UsageError(
            f"{text!r} is no size",
            expected="one to three numbers above zero, as in 8000, 64x100 or 32x48x48",
        )
    return tuple(map(int, parts))


def format_size(size: Iterable[int]) -> str:
    """A size for people, as `parse_size` and `parse_sides` read it: of a picture, height first.

    >>> format_size((360, 480))
    '360x480'
    """
    return "x".join(map(str, size))
