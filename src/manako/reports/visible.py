"""Text with what cannot be seen made visible, for pages and pictures."""

from __future__ import annotations

import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of letters without a shape: controls, formats, lone surrogates, breaks."""
JOINERS = "\u200c\u200d"
"""They have no shape, and scripts need them."""


def visible(text: str, *, kept: str = JOINERS) -> str:
    """`text` with what cannot be seen written as an escape, but for the letters in `kept`.

    Control characters, marks that turn the direction of writing (and could make a number read
    backwards) and bytes of file names that are not text.

    >>> visible("a\\u202eb")
    'a\\\\u202eb'
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode("ascii")
        if unicodedata.category(letter) in UNSEEN and letter not in kept
        else letter
        for letter in text
    )
