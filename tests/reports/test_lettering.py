from __future__ import annotations

import importlib.util

import pytest

from manako.reports import lettering
from manako.reports.lettering import class_label, drawable, lines_image, shortened, text_size
from manako.reports.visible import visible


def test_european_names_are_drawn_as_they_are():
    for name in ("cat", "Hündin", "žába", "σκύλος", "собака", "a–b → c"):
        assert drawable(name, 3) == name


@pytest.mark.parametrize("name", ["赤血球", "a\u202eb", "two\nlines", "\udcff", "", "   "])
def test_names_that_the_font_lacks_become_the_number_of_the_class(name):
    assert drawable(name, 3) == "#3"


def test_a_label_beyond_the_classes_is_a_number():
    assert class_label(7, ("cat", "dog")) == "#7"


def test_shortened_text_fits_and_short_text_stays():
    name = "a name much too long for its place"

    cut = shortened(name, 80, 12)

    assert cut.endswith("…")
    assert name.startswith(cut[:-1])
    assert text_size(cut, 12)[0] <= 80
    assert shortened("cat", 80, 12) == "cat"


@pytest.mark.parametrize("text", ["two\nlines", "a\rb", "a\tb", "a\x1b[31mb", "\udc80", "\u2028"])
def test_a_text_in_a_picture_stays_one_line(text):
    strip = lines_image([(text, None)], 200, 14)

    assert strip.size == lines_image([("one line", None)], 200, 14).size
    assert strip.tobytes() == lines_image([(visible(text), None)], 200, 14).tobytes()
    assert visible(text).isprintable()


def test_without_matplotlib_pillows_own_font_is_used(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    lettering.font.cache_clear()
    try:
        assert lettering.font(12).getname()[0] != "DejaVu Sans"
    finally:
        lettering.font.cache_clear()
