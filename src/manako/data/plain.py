"""A decoded picture in whatever mode, made grey or RGB of 8 bits: see the table in `decode`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from manako.errors import DataError


def scale_transparent_colour(picture: Image.Image) -> None:
    """Bring the transparent colour that a PNG states into the range of its decoded pixels.

    It is stated in the bits of the file (PNG specification, section 11.3.2.1), and values of 2 or 4
    bits come spread over 0..255, of 16-bit colours the high byte comes. To be called before the
    pixels are loaded: only until then does Pillow tell how they are stored.
    """
    stored = picture.tile[0].args if isinstance(picture, PngImageFile) and picture.tile else ""
    scale = _SCALES.get(str(stored))
    colour = picture.info.get("transparency")
    if scale is None or colour is None:
        return
    levels = colour if isinstance(colour, tuple) else (colour,)
    scaled = tuple(scale(level) for level in levels)
    picture.info["transparency"] = scaled if isinstance(colour, tuple) else scaled[0]


_SCALES: dict[str, Callable[[int], int]] = {
    "L;2": lambda level: (level & 3) * 85,
    "L;4": lambda level: (level & 15) * 17,
    "RGB;16B": lambda level: level >> 8,
}
"""How the file stores pixels, in Pillow's words -> stated level to decoded level."""


def to_plain(picture: Image.Image, kind: str, name: str) -> Image.Image:
    """The picture, of a format `kind`, in mode L or RGB; errors call it `name`.

    Errors: DataError for a mode that is not in the table of `decode`.
    """
    mode = picture.mode
    if "transparency" in picture.info and mode in ("1", "L", "RGB", "P"):
        return _over_white(picture.convert("RGBA"))
    if mode in ("RGB", "L"):
        return picture
    if mode == "I" and kind == "PPM":  # its reader has scaled all values to 0..65535
        return _sixteen_to_eight(picture)
    convert = _CONVERSIONS.get(mode)
    if convert is None:
        raise DataError(
            f"{name} has pixels of the kind {mode!r}, whose range is not known",
            expected="8 or 16 bits per channel; grey, RGB, CMYK or a palette",
            fix="convert it to 8-bit PNG in a way that keeps what matters",
        )
    return convert(picture)


def _over_white(picture: Image.Image) -> Image.Image:
    """Each channel v with alpha a becomes (v a + 255 (255 - a)) / 255, rounded."""
    plain = picture.convert("L" if picture.mode == "LA" else "RGB")
    return Image.composite(
        plain, Image.new(plain.mode, plain.size, "white"), picture.getchannel("A")
    )


def _sixteen_to_eight(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.uint32)
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _to(mode: str) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: picture.convert(mode)


def _over_white_as(mode: str) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: _over_white(picture.convert(mode))


_CONVERSIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "1": _to("L"),
    "P": _to("RGB"),
    "RGBX": _to("RGB"),
    "YCbCr": _to("RGB"),
    "CMYK": _to("RGB"),
    "LA": _over_white,
    "La": _over_white_as("LA"),
    "PA": _over_white_as("RGBA"),
    "RGBA": _over_white,
    "RGBa": _over_white_as("RGBA"),
    "I;16": _sixteen_to_eight,
    "I;16L": _sixteen_to_eight,
    "I;16B": _sixteen_to_eight,
    "I;16N": _sixteen_to_eight,
}
