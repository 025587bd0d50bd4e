"""The colours of classes, chosen so that most people can tell them apart.

Twelve colours from three published colour-blind-safe sets (Okabe and Ito 2008; Paul Tol's
"muted"; Martin Krzywinski's twelve), ordered so that each new one is far from those before it for
normal, red-blind, green-blind and blue-blind eyes. Colour never stands alone: whatever is coloured
also carries its class name.
"""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

PALETTE: tuple[str, ...] = (
    "#0072b2",
    "#e69f00",
    "#00fccf",
    "#a40122",
    "#882255",
    "#ddcc77",
    "#8400cd",
    "#56b4e9",
    "#332288",
    "#cc6677",
    "#d55e00",
    "#cc79a7",
)

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

_GOLDEN_SHARE = 0.618033988749895
_LATER_LOOKS = ((0.85, 0.95), (0.55, 0.65), (0.45, 1.0))  # saturation and value, in turn


def class_colour(index: int) -> Colour:
    """The colour of class `index`.

    The palette, then hues a golden angle apart: many classes cannot all look different, but
    neighbours do.

    >>> class_colour(0)
    (0, 114, 178)
    """
    if index < len(PALETTE):
        text = PALETTE[index]
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    extra = index - len(PALETTE)
    saturation, value = _LATER_LOOKS[extra % len(_LATER_LOOKS)]
    red, green, blue = colorsys.hsv_to_rgb((extra * _GOLDEN_SHARE) % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def as_hex(colour: Colour) -> str:
    """`colour` as HTML writes it.

    >>> as_hex((0, 114, 178))
    '#0072b2'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def luminance(colour: Colour) -> float:
    """Relative luminance, 0 (black) to 1 (white): WCAG 2.2, "relative luminance"."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def text_colour_on(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on `colour`.

    >>> text_colour_on((255, 255, 0))
    (0, 0, 0)
    """
    light = luminance(colour)
    # Contrast with white is 1.05 / (L + 0.05), with black (L + 0.05) / 0.05.
    return WHITE if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else BLACK
