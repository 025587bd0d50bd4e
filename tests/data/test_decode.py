"""Decoding held against arrays made by hand: every mode, format and orientation."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from manako.data.decode import (
    MAX_PIXELS,
    decode_image,
    image_size_hw,
    orientation,
)
from manako.errors import DataError, UsageError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (7, 11, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (7, 11), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (7, 11), dtype=np.uint8)
BITS = RNG.integers(0, 2, (7, 11), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (7, 11), dtype=np.uint16)
PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)

# The way from the stored array to the upright one, from the meaning of the tag in EXIF 2.32 (where
# row 0 and column 0 lie), not from any library.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def encoded(picture: Image.Image, kind: str, turn: int = 1, **options) -> bytes:
    if turn != 1:
        exif = Image.Exif()
        exif[0x0112] = turn
        options["exif"] = exif.tobytes() if kind != "TIFF" else exif
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    shares = alpha.astype(float) / 255
    shares = shares[..., None] if values.ndim == 3 else shares
    return np.rint(values * shares + 255 * (1 - shares)).astype(np.uint8)


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def palette_picture() -> Image.Image:
    picture = Image.fromarray(GREY, "L").convert("P")
    picture.putdata(GREY.flatten().tolist())
    picture.putpalette(PALETTE.flatten().tolist())
    return picture


def with_alpha(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([values, ALPHA]))


def cmyk() -> tuple[Image.Image, np.ndarray]:
    inks = RNG.integers(0, 256, (7, 11, 4), dtype=np.uint8)
    rest = 255 - inks.astype(float)
    return Image.fromarray(inks, "CMYK"), np.rint(rest[..., :3] * rest[..., 3:] / 255)


MODES = {
    "1": (Image.fromarray(BITS.astype(bool)), as_rgb(BITS * 255), "PNG TIFF BMP PPM"),
    "L": (Image.fromarray(GREY), as_rgb(GREY), "PNG TIFF BMP GIF PPM WEBP"),
    "RGB": (Image.fromarray(RGB), RGB, "PNG TIFF BMP PPM WEBP"),
    "P": (palette_picture(), PALETTE[GREY], "PNG TIFF BMP GIF"),
    "LA": (with_alpha(GREY), as_rgb(over_white(GREY, ALPHA)), "PNG TIFF"),
    "RGBA": (with_alpha(RGB), over_white(RGB, ALPHA), "PNG TIFF WEBP"),
    "I;16": (
        Image.fromarray(DEEP),
        as_rgb(np.rint(DEEP / 257).astype(np.uint8)),
        "PNG TIFF PPM",
    ),
    "CMYK": (*cmyk(), "TIFF"),
}
CASES = [
    (mode, kind, turn)
    for mode, (_, _, kinds) in MODES.items()
    for kind in kinds.split()
    for turn in ((1,) if kind in ("BMP", "GIF", "PPM") else UPRIGHT)
]


@pytest.mark.parametrize(("mode", "kind", "turn"), CASES)
def test_every_mode_format_and_orientation_gives_the_pixels_that_were_meant(mode, kind, turn):
    picture, pixels, _ = MODES[mode]
    data = encoded(picture, kind, turn)

    image = decode_image(data, "x")

    expected = np.ascontiguousarray(UPRIGHT[turn](pixels).transpose(2, 0, 1))
    assert image.dtype == torch.uint8
    assert image.permute(1, 2, 0).is_contiguous()
    # Pillow rounds products of inks in its own way, by at most one.
    assert np.abs(image.numpy().astype(int) - expected).max() <= (1 if mode == "CMYK" else 0)


@pytest.mark.parametrize("turn", UPRIGHT)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_size_in_the_header_is_that_of_the_upright_picture(kind, turn):
    data = encoded(Image.fromarray(RGB), kind, turn)

    size_hw = image_size_hw(data, "x")

    assert size_hw == tuple(decode_image(data, "x").shape[1:])
    assert orientation(data, "x") == turn


@pytest.mark.parametrize("turn", UPRIGHT)
def test_a_jpeg_is_turned_upright(turn):
    ramp = np.add.outer(np.arange(40) * 3, np.arange(24)).astype(np.uint8)
    data = encoded(Image.fromarray(ramp), "JPEG", turn, quality=95)

    grey = decode_image(data, "x", channels=1)[0].numpy()

    expected = UPRIGHT[turn](ramp)
    assert grey.shape == expected.shape
    assert np.abs(grey.astype(int) - expected).max() <= 6


def test_an_orientation_outside_1_to_8_or_unreadable_exif_means_upright():
    picture = Image.fromarray(RGB)
    odd, broken = encoded(picture, "PNG", 9), encoded(picture, "PNG", exif=b"Exif\0\0garbage")

    images = [decode_image(data, "x") for data in (odd, broken)]

    assert all(np.array_equal(image.numpy(), RGB.transpose(2, 0, 1)) for image in images)


def test_one_channel_gives_luma_and_keeps_grey_as_it_is():
    colour = decode_image(encoded(Image.fromarray(RGB), "PNG"), "x", channels=1)
    grey = decode_image(encoded(Image.fromarray(GREY), "PNG"), "x", channels=1)

    luma = RGB @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert colour.shape == (1, 7, 11)
    assert np.abs(colour[0].numpy() - luma).max() <= 0.51
    assert np.array_equal(grey[0].numpy(), GREY)


def test_a_cmyk_jpeg_is_read_as_inverted_like_adobe_writes_it():
    inks = np.zeros((16, 16, 4), dtype=np.uint8)
    inks[..., 1] = 255  # magenta
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)

    image = decode_image(data, "x")

    assert np.abs(image[:, 8, 8].numpy().astype(int) - [255, 0, 255]).max() <= 3


def test_palette_entries_with_transparency_are_laid_over_white():
    picture = palette_picture()
    alphas = RNG.integers(0, 256, 256, dtype=np.uint8)

    image = decode_image(encoded(picture, "PNG", transparency=alphas.tobytes()), "x")

    expected = over_white(PALETTE[GREY], alphas[GREY])
    assert np.array_equal(image.numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "transparent"), [("L", int(GREY[2, 3])), ("RGB", tuple(map(int, RGB[2, 3])))]
)
def test_the_transparent_colour_of_a_png_becomes_white(mode, transparent):
    picture, pixels, _ = MODES[mode]

    image = decode_image(encoded(picture, "PNG", transparency=transparent), "x").numpy()

    clear = (pixels == np.array(transparent)).all(axis=2)
    assert clear.any()
    assert np.array_equal(image.transpose(1, 2, 0), np.where(clear[..., None], 255, pixels))


def test_the_transparent_value_of_a_16_bit_png_becomes_white():
    value = int(DEEP[1, 1])

    image = decode_image(encoded(Image.fromarray(DEEP), "PNG", transparency=value), "x", 1)

    assert image[0, 1, 1] == 255
    assert image[0, 0, 0] == round(int(DEEP[0, 0]) / 257)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind):
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])

    image = decode_image(data, "x")

    assert image[:, 2, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixels_of_an_unknown_range_are_refused_by_name(mode):
    data = encoded(Image.new(mode, (4, 4)), "TIFF")

    with pytest.raises(DataError, match=f"a.tif has pixels of the kind '{mode}'"):
        decode_image(data, "a.tif")


def pictures_in_all_formats() -> dict[str, bytes]:
    smooth = np.add.outer(np.arange(37), np.arange(53))[..., None] * [1, 2, 3]
    picture = Image.fromarray((smooth % 256).astype(np.uint8))
    files = {kind: encoded(picture, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF")}
    files["progressive"] = encoded(picture, "JPEG", progressive=True)
    files["GIF"] = encoded(picture.convert("P"), "GIF")
    files["LZW"] = encoded(picture, "TIFF", compression="tiff_lzw")
    return files


@pytest.mark.parametrize("kind", pictures_in_all_formats())
def test_a_file_cut_off_anywhere_is_refused_or_whole_in_its_pixels(kind):
    data = pictures_in_all_formats()[kind]
    whole = decode_image(data, "x")
    accepted = 0

    for length in range(0, len(data), 7):
        with contextlib.suppress(DataError):
            assert torch.equal(decode_image(data[:length], "x"), whole)
            accepted += 1

    assert accepted <= 5  # a few last bytes carry no pixels


@pytest.mark.parametrize("kind", pictures_in_all_formats())
def test_damaged_bytes_raise_nothing_but_data_errors(kind):
    data = pictures_in_all_formats()[kind]
    rng = np.random.default_rng(1)

    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, min(len(data), 400), 4):
            damaged[place] = rng.integers(0, 256)
        with contextlib.suppress(DataError):
            decode_image(bytes(damaged), "x")


def test_a_cut_off_picture_says_so():
    data = encoded(Image.fromarray(RGB), "PNG")

    with pytest.raises(DataError, match=r"train/cat/7.png is cut off after 60 bytes") as caught:
        decode_image(data[:60], "train/cat/7.png")

    assert caught.value.fix == "copy it anew or remove it"


def test_what_is_no_picture_is_refused_with_its_first_bytes():
    with pytest.raises(
        DataError, match=r"a\.jpg is not a picture that can be read; it begins with"
    ):
        decode_image(b"<html><body>404</body></html>", "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg is empty"):
        decode_image(b"", "a.jpg")


@pytest.mark.parametrize("data", [b"RIFF\x10\0\0\0WAVEfmt ", b"P7 332\n", b"%!PS-Adobe", b"8BPS"])
def test_formats_beside_the_allowed_ones_are_not_even_tried(data):
    with pytest.raises(DataError, match="is not a picture that can be read"):
        decode_image(data, "a.jpg")


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def webp_claiming(width: int, height: int) -> bytes:
    body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0" + body


@pytest.mark.parametrize("make", [png_claiming, webp_claiming])
@pytest.mark.parametrize("side", [7072, 14_000])
def test_a_picture_of_too_many_pixels_is_refused_from_its_header(make, side):
    started = time.monotonic()

    for read in (decode_image, image_size_hw):
        with pytest.raises(DataError, match=rf"a.png is {side} x {side} pixels \(") as caught:
            read(make(side, side), "a.png")

    assert caught.value.expected == "at most 50 megapixels"
    assert side * side > MAX_PIXELS
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_of_every_kind_of_webp_is_read_from_its_header(mode, lossless):
    stream = io.BytesIO()
    Image.new(mode, (301, 77), (1, 2, 3, 4)[: len(mode)]).save(stream, "WEBP", lossless=lossless)

    assert image_size_hw(stream.getvalue(), "x") == (77, 301)


def test_no_warning_leaves_the_decoder_and_no_global_setting_is_touched():
    tiff = bytearray(encoded(Image.fromarray(RGB), "TIFF", description="x" * 100))
    place = tiff.index(b"\x0e\x01")
    tiff[place + 4 : place + 8] = b"\xff\xff\xff\x0f"  # a tag longer than the file
    limit = Image.MAX_IMAGE_PIXELS

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(DataError):
            decode_image(bytes(tiff)[:200], "x")
        decode_image(bytes(tiff), "x")

    assert heard == []
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    assert limit == Image.MAX_IMAGE_PIXELS


def test_threads_decode_at_the_same_time_without_harm_to_the_warning_filters():
    data = encoded(palette_picture(), "GIF")
    expected, filters = decode_image(data, "x"), list(warnings.filters)
    results: list[bool] = []

    def decode() -> None:
        results.extend(torch.equal(decode_image(data, "x"), expected) for _ in range(30))

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [True] * 120
    assert warnings.filters == filters


def test_channels_are_one_or_three():
    with pytest.raises(UsageError, match=r"1 channel \(grey\) or 3 \(RGB\), not 4"):
        decode_image(encoded(Image.fromarray(RGB), "PNG"), "x", channels=4)
