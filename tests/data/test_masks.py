"""Maps of classes come out of a file with the numbers that were stored in it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from manako.data.decode import decode_mask
from manako.errors import DataError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 12, (7, 11), dtype=np.uint8)
BITS = RNG.integers(0, 2, (7, 11), dtype=np.uint8)
PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int, bits: int, colours: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_masks_keep_their_numbers_whether_grey_or_palette(kind):
    palette = Image.fromarray(LABELS).convert("P")
    palette.putdata(LABELS.flatten().tolist())
    palette.putpalette(PALETTE.flatten().tolist())

    masks = [decode_mask(encoded(one, kind), "x") for one in (Image.fromarray(LABELS), palette)]

    assert all(np.array_equal(mask.numpy(), LABELS) for mask in masks)


def test_masks_of_16_bits_and_1_bit_keep_their_numbers():
    deep = decode_mask(encoded(Image.fromarray(LABELS.astype(np.uint16)), "PNG"), "x")
    bits = decode_mask(encoded(Image.fromarray(BITS.astype(bool)), "PNG"), "x")

    assert np.array_equal(deep.numpy(), LABELS)
    assert np.array_equal(bits.numpy(), BITS)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_masks_of_few_bits_are_not_spread_over_0_to_255(bits):
    rows = b"\0\x1b\0\xe4" if bits == 2 else b"\0\x01\x2f\0\xf2\x10"

    mask = decode_mask(png(4, 2, bits, 0, rows), "x")

    expected = [[0, 1, 2, 3], [3, 2, 1, 0]] if bits == 2 else [[0, 1, 2, 15], [15, 2, 1, 0]]
    assert mask.tolist() == expected


def test_what_is_no_map_of_classes_is_refused():
    with pytest.raises(DataError, match=r"m\.png is a picture in colours \(mode RGB\)"):
        decode_mask(encoded(Image.fromarray(PALETTE[LABELS]), "PNG"), "m.png")
    with pytest.raises(DataError, match=r"m\.png holds the value 300"):
        decode_mask(encoded(Image.fromarray(np.full((2, 2), 300, np.uint16)), "PNG"), "m.png")
    with pytest.raises(DataError, match=r"m\.jpg is a JPEG file, which does not keep the numbers"):
        decode_mask(encoded(Image.fromarray(LABELS), "JPEG"), "m.jpg")


def test_a_mask_is_turned_upright_like_its_picture():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter

    mask = decode_mask(encoded(Image.fromarray(LABELS), "PNG", exif=exif.tobytes()), "x")

    assert np.array_equal(mask.numpy(), np.rot90(LABELS, -1))
