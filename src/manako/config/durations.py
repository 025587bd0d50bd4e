"""Durations as people write them."""

from __future__ import annotations

import re

from manako.errors import UsageError

_PART_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(f"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}(?:s|$))?(?:{_NUMBER}ms)?")


_AFTER_HOURS = re.compile(r"[hH][\d.]+\s*$")  # "1h30": minutes or seconds?


def parse_duration(text: str) -> float:
    """Seconds in a text such as `90s`, `10m`, `1h30m`, `45` (seconds) or `20ms`.

    >>> parse_duration("1h30m"), parse_duration("45"), parse_duration("20ms")
    (5400.0, 45.0, 0.02)
    """
    match = _DURATION.fullmatch(text.strip().lower())
    parts = match.groups() if match else (None,) * len(_PART_SECONDS)
    seconds = sum(
        float(part) * factor
        for part, factor in zip(parts, _PART_SECONDS.values(), strict=True)
        if part
    )
    if seconds <= 0 or _AFTER_HOURS.search(text):
        raise UsageError(
            f"{text!r} is no duration", expected="a time above zero such as 90s, 10m or 1h30m"
        )
    return seconds


def format_duration(seconds: float) -> str:
    """A duration for people: `0.8 s`, `42 s`, `7 min 5 s`, `1 h 12 min`.

    >>> format_duration(425)
    '7 min 5 s'
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
