"""Data sets whose pictures are listed in a file: CSV tables and JSON lines, also in the folders of
splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from manako.data.dataset import Dataset
from manako.data.files import FileTree, FolderTree
from manako.data.formats.csv_table import CsvTable
from manako.data.formats.json_lines import JsonLines
from manako.data.formats.listing import LABEL_NAMES, PATH_NAMES, Row, dataset_of
from manako.data.names import split_name, stem, suffix
from manako.data.text import check_size, read_limited
from manako.errors import DataError


class Kind(Protocol):
    """One way to write such a list."""

    @property
    def name(self) -> str:
        """As it stands in the line that describes a data set."""

    @property
    def suffix(self) -> str:
        """The ending of its files."""

    def fault(self, data: bytes) -> str:
        """Why `data` are no list of pictures; empty if they seem to be one."""

    def rows(self, data: bytes, table: str, folder: str = "") -> Iterator[Row]:
        """The pictures it lists. Errors: DataError naming the line."""


KINDS: dict[str, Kind] = {kind.suffix: kind for kind in (CsvTable(), JsonLines())}
"""Ending -> how to read such a list."""


@dataclass(frozen=True)
class Tables:
    """A list of pictures at the top, or a metadata file in each of the folders train, val, test.

    Paths are relative to the folder of the list and must stay in it. The layout with
    `train/metadata.csv` or `train/metadata.jsonl` is the image folder of Hugging Face's datasets.
    """

    name: str = "table"
    looks_for: str = (
        "a .csv or .jsonl at the top, or metadata.csv or metadata.jsonl in train, val and test, "
        "with path and label (split, group if wanted)"
    )

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without such a list. Errors: DataError naming file and line."""
        found: list[tuple[str, Kind, bytes]] = []
        for path in files.paths:
            kind = _kind(path)
            if kind is None:
                continue
            data = read_limited(files, path)
            if not kind.fault(data):
                found.append((path, kind, data))
        if not found:
            return None
        _check_is_one_set(files, [path for path, _, _ in found])
        rows = [row for path, kind, data in found for row in _rows(path, kind, data)]
        name = found[0][1].name if "/" not in found[0][0] else "image folder"
        return dataset_of(rows, files, name, found[0][0])


def read_table(path: Path) -> Dataset:
    """The data set that a single list describes. Errors: DataError naming file and line."""
    kind = KINDS[suffix(path.name)]
    try:
        check_size(path.name, path.stat().st_size)
        data = path.read_bytes()
        fault = kind.fault(data)
        if fault:
            raise DataError(
                f"{path} {fault}",
                expected=f"one of {', '.join(PATH_NAMES)} and one of {', '.join(LABEL_NAMES)}",
            )
        rows = list(kind.rows(data, path.name))
        files = FolderTree.listed(path.absolute().parent, [row.path for row in rows])
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    return dataset_of(rows, files, kind.name, path.name)


def _kind(path: str) -> Kind | None:
    """How to read a file that could be a list of pictures."""
    folder, _, name = path.rpartition("/")
    if not folder or (split_name(folder) and stem(name).lower() == "metadata"):
        return KINDS.get(suffix(name))
    return None


def _rows(path: str, kind: Kind, data: bytes) -> Iterator[Row]:
    """The pictures of a list, in the split of its folder if it lies in one."""
    folder, slash, _ = path.rpartition("/")
    for row in kind.rows(data, path, folder + slash):
        if not folder:
            yield row
            continue
        if row.split is not None and split_name(row.split) != split_name(folder):
            raise DataError(
                f"{row.place} has the split {row.split!r} in the folder {folder}",
                fix="move the picture, or take the split away",
            )
        yield replace(row, split=folder)


def _check_is_one_set(files: FileTree, paths: list[str]) -> None:
    """One list at the top, or one for each split."""
    folders = [path.rpartition("/")[0] for path in paths]
    splits = [split_name(folder) for folder in folders]
    if len(paths) > 1 and ("" in folders or len(set(splits)) < len(splits)):
        raise DataError(
            f"{files.root} holds more than one table of pictures: {', '.join(paths)}",
            expected="one at the top, or one for each split",
            fix="give the path of the one to use, or move the others away",
        )
