"""Pictures and masks from bytes: the only decoder, for training, evaluation and prediction.

Formats: JPEG, PNG, WebP, BMP, TIFF, GIF and PPM/PGM/PBM, told apart by their first bytes and
opened by nothing but their own reader. Of an animation the first frame counts. A picture comes out
as it is meant to be seen: turned upright by its EXIF orientation, transparency laid over white,
16 bits scaled to 8.

    mode after decoding         becomes
    1, L, RGB                   itself (with a transparent colour: that colour white)
    P                           RGB, its transparency over white
    LA, La, PA, RGBA, RGBa      grey or RGB over white
    CMYK                        RGB, (1 - C)(1 - K) and so on; JPEGs hold it inverted, as Adobe does
    YCbCr, RGBX                 RGB
    I;16 and its byte orders    value / 257, rounded: 65535 becomes 255
    I of a 16-bit PGM           the same
    RGB, RGBA of 16 bits        Pillow's reader keeps the high byte of each value: value // 256
    anything else               refused by name

A file that is cut off is refused, never filled up with grey.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from torch import Tensor

from manako.data.plain import scale_transparent_colour, to_plain
from manako.errors import DataError, UsageError

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded, from its header; larger ones could exhaust the memory."""


@dataclass(frozen=True)
class _Kind:
    """A format: how its files begin and what reads them."""

    name: str
    starts: tuple[bytes, ...]
    opener: Callable[[io.BytesIO], ImageFile.ImageFile]


_KINDS = (
    _Kind("JPEG", (b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    _Kind("PNG", (b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    _Kind("WebP", (b"RIFF",), WebPImagePlugin.WebPImageFile),
    _Kind("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    _Kind("GIF", (b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    _Kind("BMP", (b"BM",), BmpImagePlugin.BmpImageFile),
    _Kind("PPM", (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImagePlugin.PpmImageFile),
)
_BY_START = {start: kind for kind in _KINDS for start in kind.starts}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPARENT = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ORIENTATION_TAG = 0x0112
_EXIF_SOURCES = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")


def decode_image(data: bytes, name: str, channels: int = 3) -> Tensor:
    """A picture as uint8 [channels, H, W], upright: RGB for three channels, grey for one.

    The three values of a pixel lie side by side in memory, as they are decoded and resized fastest.
    `name` is what errors call the file. Errors: DataError for what is no picture, is damaged or
    cut off, is larger than `MAX_PIXELS` or has pixels of a kind that is not in the table above.
    """
    if channels not in (1, 3):
        raise UsageError(f"pictures have 1 channel (grey) or 3 (RGB), not {channels}")
    kind = _kind(data, name)
    with _refusals(data, name), _silence(kind, data):
        return _pixels(_open(kind, data, name), kind.name, name, channels)


def pixels_of(picture: Image.Image, name: str, channels: int = 3) -> Tensor:
    """What `decode_image` gives for the file of a picture that Pillow has opened or made."""
    with _refusals(b"", name), _quiet():
        _check_size(picture.size, name)
        return _pixels(picture, picture.format or "", name, channels)


def _pixels(picture: Image.Image, kind: str, name: str, channels: int) -> Tensor:
    scale_transparent_colour(picture)
    picture.load()
    plain = to_plain(picture, kind, name)
    turned = _TURNS.get(_orientation(picture))
    if turned is not None:
        plain = plain.transpose(turned)
    wanted = "RGB" if channels == 3 else "L"
    if plain.mode != wanted:
        plain = plain.convert(wanted)
    pixels = torch.from_numpy(np.array(plain))
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1)


def decode_levels(data: bytes, name: str) -> NDArray[np.float32]:
    """A picture as float32 [H, W] of grey levels, upright, in the numbers that it stores.

    Those of 16 bits are 0 to 65,535, others 0 to 255. Errors: DataError as for `decode_image`.
    """
    kind = _kind(data, name)
    with _refusals(data, name), _silence(kind, data):
        picture = _open(kind, data, name)
        if not picture.mode.startswith("I"):
            return _pixels(picture, kind.name, name, 1)[0].numpy().astype(np.float32)
        picture.load()
        turned = _TURNS.get(_orientation(picture))
        upright = picture if turned is None else picture.transpose(turned)
        return np.asarray(upright, np.float32)


def decode_mask(data: bytes, name: str) -> Tensor:
    """A map of classes as uint8 [H, W], holding the numbers that the file stores.

    Palette pictures give their indices, grey ones their values, 1-bit ones 0 and 1. Errors:
    DataError as for `decode_image`, and for colours, values above 255 and formats that change
    values (JPEG, WebP) or scale them (PPM).
    """
    kind = _kind(data, name)
    if kind.name not in ("PNG", "TIFF", "BMP", "GIF"):
        raise DataError(
            f"{name} is a {kind.name} file, which does not keep the numbers of a mask exactly",
            expected="a PNG whose pixels are numbers of classes",
        )
    with _refusals(data, name), _silence(kind, data):
        picture = _open(kind, data, name)
        picture.load()
        turned = _TURNS.get(_orientation(picture))
        stored = picture.transpose(turned) if turned is not None else picture
        return torch.from_numpy(_mask_values(stored, _bits(kind, data, picture), name))


def image_size_hw(data: bytes, name: str) -> tuple[int, int]:
    """Height and width in pixels of a picture when upright, from its header.

    An orientation that a PNG states after its pixels is not seen. Errors: DataError.
    """
    kind = _kind(data, name)
    with _refusals(data, name), _silence(kind, data):
        picture = _open(kind, data, name)
        width, height = picture.size
        # A TIFF's size is already that of the upright picture.
        lying = kind.name != "TIFF" and _orientation(picture) >= 5
    return (width, height) if lying else (height, width)


def orientation(data: bytes, name: str) -> int:
    """The EXIF orientation that a picture's header states, 1 (upright) to 8."""
    kind = _kind(data, name)
    with _refusals(data, name), _silence(kind, data):
        return _stated_orientation(_open(kind, data, name))


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How a picture is stored.

    `format` is a name such as "JPEG", `mode` Pillow's ("RGB", "CMYK", "I;16"), `frames` how many
    an animation has, `orientation` the EXIF one, 1 (upright) to 8. `is_deep` says that a channel
    has more than 8 bits.
    """

    format: str
    mode: str
    frames: int
    orientation: int
    is_deep: bool
    is_transparent: bool


def stored_form(data: bytes, name: str) -> StoredForm:
    """How a picture is stored, as its header tells. Errors: DataError."""
    kind = _kind(data, name)
    with _refusals(data, name), _silence(kind, data):
        picture = _open(kind, data, name)
        return StoredForm(
            kind.name,
            picture.mode,
            _frames(picture),
            _stated_orientation(picture),
            picture.mode.startswith("I") or (kind.name == "PNG" and data[24] > 8),
            "transparency" in picture.info or picture.mode in _TRANSPARENT,
        )


def _frames(picture: Image.Image) -> int:
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # later frames are damaged; the first is what counts
        return 1


def _kind(data: bytes, name: str) -> _Kind:
    for length in (3, 8, 4, 6, 2):
        kind = _BY_START.get(data[:length])
        if kind is None:
            continue
        if kind.name == "WebP" and data[8:12] != b"WEBP":
            continue
        if kind.name == "PPM" and data[2:3] not in b" \t\r\n#":
            continue
        return kind
    if not data:
        raise DataError(f"{name} is empty", expected="a picture", fix="copy it anew or remove it")
    raise DataError(
        f"{name} is not a picture that can be read; it begins with {data[:8]!r}",
        expected=", ".join(kind.name for kind in _KINDS),
        fix="convert it to one of these, or remove it",
    )


def _open(kind: _Kind, data: bytes, name: str) -> ImageFile.ImageFile:
    """The header. Readers are called directly: `Image.open` would warn of large pictures."""
    if kind.name == "WebP":  # its reader takes memory for all pixels at once
        _check_size(_webp_size_wh(data), name)
    picture = kind.opener(io.BytesIO(data))
    _check_size(picture.size, name)
    return picture


def _check_size(size_wh: tuple[int, int], name: str) -> None:
    width, height = size_wh
    if width < 1 or height < 1:
        raise DataError(f"{name} is {width} x {height} pixels", expected="at least 1 x 1")
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name} is {width} x {height} pixels ({width * height / 1e6:,.0f} megapixels)",
            expected=f"at most {MAX_PIXELS / 1e6:.0f} megapixels",
            fix="scale it down or cut it into tiles",
        )


def _webp_size_wh(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise EOFError("header is truncated")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")
    return sides[0] & 0x3FFF, sides[1] & 0x3FFF


def _stated_orientation(picture: Image.Image) -> int:
    if isinstance(picture, TiffImagePlugin.TiffImageFile):  # turned by its reader, when loaded
        return int(picture.tag_v2.get(_ORIENTATION_TAG, 1))
    return _orientation(picture)


def _orientation(picture: Image.Image) -> int:
    if not any(source in picture.info for source in _EXIF_SOURCES):
        return 1
    with _quiet():
        try:
            found = picture.getexif().get(_ORIENTATION_TAG, 1)
        except Exception:  # EXIF that cannot be read says nothing; the pixels are still whole
            return 1
    return found if found in _TURNS else 1


def _mask_values(picture: Image.Image, bits: int, name: str) -> NDArray[np.uint8]:
    """The numbers that a mask stores."""
    if picture.mode in ("1", "P"):
        return np.array(picture, dtype=np.uint8)
    if picture.mode == "L":  # values of less than 8 bits come spread over 0..255
        return np.array(picture) // np.uint8(255 // (2**bits - 1))
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture)
        if values.max() <= 255:
            return values.astype(np.uint8)
        raise DataError(
            f"{name} holds the value {values.max()}",
            expected="numbers of classes up to 254, and 255 for what does not count",
        )
    raise DataError(
        f"{name} is a picture in colours (mode {picture.mode}), not a map of classes",
        expected="a grey or palette PNG whose pixels are numbers of classes",
        fix="write the number of each colour's class instead of the colour",
    )


def _bits(kind: _Kind, data: bytes, picture: Image.Image) -> int:
    """Bits of a grey value as stored."""
    if kind.name == "PNG":
        return min(data[24], 8)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return min(int(picture.tag_v2.get(258, (1,))[0]), 8)
    return 8


_warnings_lock = threading.RLock()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings inside. The filters are the whole process's, so threads take turns."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _silence(kind: _Kind, data: bytes) -> contextlib.AbstractContextManager[None]:
    """Silence where a reader warns of oddities; the others run without taking turns."""
    warns = kind.name in ("TIFF", "GIF") or (kind.name == "PNG" and b"acTL" in data[:4096])
    return _quiet() if warns else contextlib.nullcontext()


@contextlib.contextmanager
def _refusals(data: bytes, name: str) -> Iterator[None]:
    """Turn whatever a reader raises into a DataError that names the file."""
    try:
        yield
    except (DataError, KeyboardInterrupt):
        raise
    except Exception as error:  # readers raise a dozen kinds of errors on damaged files
        reason = str(error) or type(error).__name__
        cut = isinstance(error, EOFError) or "truncated" in reason.lower()
        kind = f"cut off after {len(data):,} bytes" if cut and data else "damaged"
        raise DataError(
            f"{name} is {kind} ({reason})",
            expected="a whole picture",
            fix="copy it anew or remove it",
        ) from error
