"""Large numbers as people write them."""

from __future__ import annotations

import re

from manako.errors import UsageError

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?")


def parse_amount(text: str) -> float:
    """The number in a text such as `1G`, `500M`, `1.5k` or `2GB` (a thousand is 1,000).

    >>> parse_amount("1.5G"), parse_amount("300")
    (1500000000.0, 300.0)
    """
    match = _AMOUNT.fullmatch(text.strip().lower())
    amount = float(match[1]) * _FACTORS[match[2]] if match else 0.0
    if amount <= 0:
        raise UsageError(f"{text!r} is no amount", expected="a number above zero, as in 500M or 1G")
    return amount
