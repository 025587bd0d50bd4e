"""Transparent colours and deep colours of PNGs that are written bit by bit."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from manako.data.decode import decode_image


def png(bits: int, colour_type: int, row: bytes, width: int, *chunks: bytes) -> bytes:
    """A PNG of one row, written by hand."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    parts = (chunk(b"IHDR", header), *chunks, pixels, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("bits", "row", "transparent", "expected"),
    [
        (1, b"\x40", 1, [0, 255, 0, 0]),
        (1, b"\x40", 0, [255, 255, 255, 255]),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (4, b"\x01\x2a", 10, [0, 17, 34, 255]),
        (8, bytes([0, 10, 20, 30]), 20, [0, 10, 255, 30]),
    ],
)
def test_a_transparent_level_of_few_bits_becomes_white(bits, row, transparent, expected):
    data = png(bits, 0, row, 4, chunk(b"tRNS", struct.pack(">H", transparent)))

    assert decode_image(data, "x", 1)[0, 0].tolist() == expected
    assert decode_image(data, "x", 3)[2, 0].tolist() == expected


def test_a_transparent_colour_of_16_bits_becomes_white():
    row = np.repeat(np.array([0, 33000, 65535, 500], dtype=">u2"), 3).tobytes()
    data = png(16, 2, row, 4, chunk(b"tRNS", struct.pack(">HHH", 33000, 33000, 33000)))

    assert decode_image(data, "x")[0, 0].tolist() == [0, 255, 255, 1]


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_of_colours_of_16_bits_the_high_byte_counts(colour_type, channels):
    values = np.full((4, channels), 65535, dtype=">u2")
    values[:, : channels - (colour_type > 2)] = np.array([0, 255, 256, 65535])[:, None]

    image = decode_image(png(16, colour_type, values.tobytes(), 4), "x")

    assert image[0, 0].tolist() == [0, 0, 1, 255]
