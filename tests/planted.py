"""A data set of smooth pictures with faults planted in it, and copies of pictures made anew."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def smooth(seed, size_hw=(96, 128)):
    """A picture like a photograph: random waves, the larger the slower."""
    random = np.random.default_rng(seed)
    coarse = 120 + 60 * random.normal(0, 1, (6, 6, 1)) + 15 * random.normal(0, 1, (6, 6, 3))
    fine = 12 * random.normal(0, 1, (24, 24, 1)) * np.ones(3)
    height, width = size_hw
    layers = [
        np.stack(
            [
                np.asarray(
                    Image.fromarray(values[..., one].astype(np.float32)).resize(
                        (width, height), Image.Resampling.BICUBIC
                    )
                )
                for one in range(3)
            ],
            axis=2,
        )
        for values in (coarse, fine)
    ]
    return Image.fromarray(np.clip(sum(layers), 0, 255).astype(np.uint8))


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def coded_anew(picture, quality=60, scale=1.0):
    size = [max(1, round(side * scale)) for side in picture.size]
    return encoded(picture.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=quality)


def upside_down(picture):
    exif = Image.Exif()
    exif[0x0112] = 3
    return encoded(picture, "JPEG", exif=exif.tobytes(), quality=95)


def faulty_set(root: Path) -> Path:
    """Two classes in train, val and test; each of `faults` once, the other pictures sound."""
    number = iter(range(1000))
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        for name in ("cat", "dog"):
            for place in range(count):
                write(root / split / name / f"{place}.png", encoded(smooth(next(number))))
    for path, data in faults().items():
        write(root / path, data)
    return root


def faults() -> dict[str, bytes]:
    """Path -> content, a fault each."""
    first = smooth(5000)
    sixteen = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    frames = [smooth(5100 + one, (40, 40)) for one in range(3)]
    whole = encoded(smooth(5001), "JPEG")
    return {
        "train/cat/cut.jpg": whole[: len(whole) // 2],
        "train/cat/text.png": b"this is no picture",
        "train/cat/empty.png": b"",
        "train/cat/leak.png": encoded(first),
        "test/cat/leak.png": encoded(first, compress_level=1),
        "train/dog/anew.jpg": coded_anew(smooth(5002), 50, 0.6),
        "val/dog/anew.png": encoded(smooth(5002)),
        "train/cat/both.png": encoded(smooth(5003)),
        "train/dog/both.png": encoded(smooth(5003)),
        "train/dog/twice_a.png": encoded(smooth(5004)),
        "train/dog/twice_b.png": encoded(smooth(5004)),
        "train/cat/png.jpg": encoded(smooth(5005)),
        "train/cat/deep.png": encoded(Image.fromarray(sixteen)),
        "train/cat/print.jpg": encoded(smooth(5006).convert("CMYK"), "JPEG"),
        "train/cat/clear.png": encoded(smooth(5007).convert("RGBA")),
        "train/cat/moving.gif": encoded(
            frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50
        ),
        "train/cat/turned.jpg": upside_down(smooth(5008)),
        "train/cat/tiny.png": encoded(smooth(5009, (12, 20))),
        "train/cat/blank.png": encoded(Image.new("RGB", (40, 30), (200, 10, 10))),
        "train/dog/blank.png": encoded(Image.new("RGB", (50, 30), (200, 10, 10))),
        "beside.png": encoded(smooth(5010)),
    }


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
