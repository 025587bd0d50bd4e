"""Text on pictures: one font, and a way out for letters that it lacks."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from manako.reports.colours import Colour
from manako.reports.visible import visible

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.cache
def font(size: int) -> Font:
    """DejaVu Sans as matplotlib ships it, for its many letters; else Pillow's own font.

    matplotlib is only looked up, not imported: its import is slow and writes a font cache.
    """
    found = importlib.util.find_spec("matplotlib")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


@functools.cache
def _can_draw(letter: str) -> bool:
    """Whether the font has a glyph of its own for `letter`: not the box of a missing one."""
    probe = font(16)
    missing, drawn = probe.getmask("\uffff"), probe.getmask(letter)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


def drawable(name: str, index: int) -> str:
    """`name`, or the number of the class where the font lacks one of its letters.

    >>> drawable("Hündin", 2), drawable("赤血球", 2)
    ('Hündin', '#2')
    """
    letters = set(name) - {" "}
    if letters and all(letter.isprintable() and _can_draw(letter) for letter in letters):
        return name
    return f"#{index}"


def class_label(index: int, classes: Sequence[str]) -> str:
    """What a picture calls class `index`; a number outside `classes` is shown as it is."""
    return drawable(classes[index], index) if index < len(classes) else f"#{index}"


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width of `text` and height of any line of it in pixels."""
    _, _, _, bottom = font(size).getbbox(text + "Åg")
    width = font(size).getlength(text)
    return int(width + 0.999), int(bottom + 0.999)


def shortened(text: str, width: int, size: int) -> str:
    """`text`, cut with an ellipsis where it is more than `width` pixels wide."""
    if text_size(text, size)[0] <= width:
        return text
    while text and text_size(text + "…", size)[0] > width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw_tag(
    canvas: ImageDraw.ImageDraw,
    xy: tuple[int, int],
    text: str,
    size: int,
    colours: tuple[Colour, Colour],
) -> None:
    """`text` in a small filled box whose upper left corner is `xy`; `colours` are fill and ink."""
    width, height = text_size(text, size)
    fill, ink = colours
    x, y = xy
    canvas.rectangle((x, y, x + width + 5, y + height + 2), fill=fill)
    canvas.text((x + 3, y + 1), text, font=font(size), fill=ink)


def lines_image(entries: Sequence[tuple[str, Colour | None]], width: int, size: int) -> Image.Image:
    """A white strip of lines of text, each with a coloured square before it where one is given.

    A text stays one line: a break in it is shown as an escape.
    """
    height = text_size("", size)[1] + 6
    strip = Image.new("RGB", (width, height * len(entries) + 4), "white")
    canvas = ImageDraw.Draw(strip)
    for row, (text, colour) in enumerate(entries):
        x, y = 6, row * height + 3
        if colour is not None:
            canvas.rectangle((x, y + 2, x + size - 1, y + size + 1), fill=colour, outline="black")
            x += size + 6
        line = shortened(visible(text), width - x - 6, size)
        canvas.text((x, y), line, font=font(size), fill="black")
    return strip
