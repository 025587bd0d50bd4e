from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import manako.reports
from manako.reports.colours import PALETTE, class_colour, luminance, text_colour_on

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0; they act on linear RGB.
EYES = {
    "normal": np.eye(3),
    "red-blind": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green-blind": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "blue-blind": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab(colour, eyes):
    """CIE L*a*b* (D65) of a colour as `eyes` see it."""
    part = np.array(colour) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    x, y, z = RGB_TO_XYZ @ np.clip(np.array(eyes) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = [np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", EYES)
def test_the_palette_stays_apart_for_colour_blind_eyes(eyes):
    seen = [lab(class_colour(index), EYES[eyes]) for index in range(len(PALETTE))]

    # A difference of 10 is plain to see; 17 is what these twelve colours reach.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 17


def test_each_of_255_classes_has_a_colour_unlike_its_neighbour():
    colours = [class_colour(index) for index in range(255)]

    assert all(0 <= part <= 255 for colour in colours for part in colour)
    seen = [lab(colour, EYES["normal"]) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in itertools.pairwise(seen)) > 20


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_on_every_class_colour_can_be_read():
    for index in range(255):
        colour = class_colour(index)
        assert contrast(colour, text_colour_on(colour)) >= 4.5


def test_text_of_the_page_can_be_read_in_both_schemes():
    path = Path(manako.reports.__file__).parent / "templates" / "report.css"
    schemes = re.findall(r":root \{(.*?)\}", path.read_text(encoding="utf-8"), re.DOTALL)

    assert len(schemes) == 3  # light, dark, print
    for scheme in schemes:
        named = {
            name: tuple(bytes.fromhex(value))
            for name, value in re.findall(r"--([\w]+): #([0-9a-f]{6})", scheme)
        }
        for ink in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(named[ink], named["paper"]) >= 4.5, (ink, scheme)
        for line in ("c0", "c1", "c2", "c3"):
            assert contrast(named[line], named["paper"]) >= 3, (line, scheme)
        for shade in ((0, 114, 178), (213, 94, 0)):  # of the heat table, 66 % at most
            mixed = [0.66 * a + 0.34 * b for a, b in zip(shade, named["paper"], strict=True)]
            assert contrast(named["ink"], tuple(mixed)) >= 4.5, (shade, scheme)
