"""Little data sets, as folders and as archives of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Writes path -> content (None for an empty folder) as a folder or an archive of it."""

    def write_files(
        files: Mapping[str, bytes | str | None], kind: str = "folder", name: str = "set"
    ) -> Path:
        root = tmp_path / kind.replace(".", "-") / name
        for path, content in files.items():
            target = root / path
            if content is None:
                target.mkdir(parents=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        if kind == "folder":
            root.mkdir(parents=True, exist_ok=True)
            return root
        return packed(root, kind)

    return write_files


def packed(root: Path, kind: str) -> Path:
    """An archive that unpacks into a folder of the root's name."""
    archive = root.parent / f"{root.name}.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(root.rglob("*"), reverse=True):
                file.write(path, path.relative_to(root.parent))
        return archive
    mode = {"tar": "w", "tar.bz2": "w:bz2"}.get(kind, "w:gz")
    with tarfile.open(archive, mode) as file:
        file.add(root, root.name)
    return archive


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """A PNG (or another kind) of one colour, the same for the same arguments."""

    def make(colour: int = 0, size_hw: tuple[int, int] = (6, 8), kind: str = "PNG") -> bytes:
        stream = io.BytesIO()
        rgb = (colour % 256, colour // 256 % 256, 77)
        Image.new("RGB", size_hw[::-1], rgb).save(stream, kind)
        return stream.getvalue()

    return make


@pytest.fixture
def mask() -> Callable[..., bytes]:
    """A grey PNG of the given numbers."""

    def make(values: list[list[int]]) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(np.array(values, dtype=np.uint8)).save(stream, "PNG")
        return stream.getvalue()

    return make
