"""Picture sizes as people write them."""

from __future__ import annotations

import re

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


def format_size(size_hw: tuple[int, int]) -> str:
    """A size for people, height first.

    >>> format_size((360, 480))
    '360x480'
    """
    return f"{size_hw[0]}x{size_hw[1]}"
