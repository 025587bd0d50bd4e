"""Whatever bytes a table, list or annotation holds: only manako's own errors come out."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from manako.data.formats import FORMATS
from manako.data.formats.check import checked
from manako.errors import ManakoError


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 6)).save(stream, "PNG")
    return stream.getvalue()


PNG = _png()
XML = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<annotation><size><width>8</width>'
    b"<height>6</height></size><object><name>cat</name><difficult>0</difficult><bndbox>"
    b"<xmin>1</xmin><ymin>2.5</ymin><xmax>8</xmax><ymax>6</ymax></bndbox></object></annotation>"
)
CASES = {
    "list.csv": (
        b'path,label,split,group\n"1.png",cat|dog,train,a\n2.png,"dog",val,\n3.png,,val,b\n'
    ),
    "list.jsonl": (
        b'{"path": "1.png", "label": ["dog", "c\\u00e4t"], "split": "train", "group": 1}\n'
        b'{"file_name": "2.png", "labels": ["dog", "c\\u00e4t"], "split": "val", "x": [1.5e3]}\n'
    ),
    "train/metadata.csv": b"\xef\xbb\xbffile_name;labels\r\n4.png;cat|dog\r\n5.png;\r\n",
    "Annotations/1.xml": XML,
    "ImageSets/Main/train.txt": b"1\r\n2.png\n",
    "classes.txt": b"0 ground\n1 cat\n255 void\n",
}
PICTURES = {
    "Annotations/1.xml": ["JPEGImages/1.png"],
    "ImageSets/Main/train.txt": ["JPEGImages/1.png", "JPEGImages/2.png"],
    "classes.txt": ["images/1.png", "masks/1.png"],
}


@dataclass(frozen=True)
class MemoryTree:
    """Files that never touch a disk."""

    contents: dict[str, bytes]
    root: Path = Path("set")
    empty_folders: tuple[str, ...] = ()
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", {p: len(self.contents[p]) for p in self.paths})

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.contents))

    def read(self, path: str) -> bytes:
        return self.contents[path]

    def cache_key(self) -> str:
        return ""


def read(path: str, data: bytes) -> bool:
    """Whether the set with `data` at `path` can be read."""
    pictures = PICTURES.get(path, ["1.png", "2.png", "3.png", "train/4.png", "train/5.png"])
    files = {**dict.fromkeys(pictures, PNG), path: data}
    if path.startswith("ImageSets"):
        files |= {"Annotations/1.xml": XML, "Annotations/2.xml": XML}
    tree = MemoryTree(files)
    for layout in FORMATS:
        dataset = layout.read(tree)
        if dataset is not None:
            checked(dataset, None).fingerprint()
            return True
    return False


MARKS = (
    rb"""{ } [ ] : , ; | \ / .. - . " ' \ud800 \u0000 NaN 1e999 < > &lt; &x; </object> <object>"""
)
BITS = st.sampled_from(
    [
        *MARKS.split(b" "),
        *(b"", b"\0", b"\n", b"\r", b"\xff", b"\xff\xfe", b"9" * 5000, b"[" * 2000, b"a" * 1001),
        *(text.encode() for text in ("\u2028", "\x85", "e\u0301")),
        b"<!DOCTYPE a [<!ENTITY x 'y'>]>",
    ]
)
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.one_of(BITS, st.binary(max_size=4))),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("path", CASES)
def test_the_whole_file_is_read(path):
    assert read(path, CASES[path])


@pytest.mark.parametrize("path", CASES)
@settings(max_examples=150)
@given(changes=CHANGES)
@example(changes=[(0.0, 10**6, b"")])
def test_damaged_bytes_give_a_data_set_or_one_of_our_errors(path, changes):
    data = CASES[path]
    for place, removed, inserted in changes:
        start = int(place * len(data))
        data = data[:start] + inserted + data[start + removed :]

    with suppress(ManakoError):
        read(path, data)


@pytest.mark.parametrize("path", CASES)
@settings(max_examples=50)
@given(data=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_give_a_data_set_or_one_of_our_errors(path, data):
    with suppress(ManakoError):
        read(path, data)
