"""Where a signal is: a file, a line of a file with many series, or a folder of slices.

walk/1.csv                one file
Walks_TRAIN.ts#12         the twelfth series of a file, counted from 0
scans/patient 7/          all pictures of a folder, slice by slice
"""

from __future__ import annotations

import re

from manako.data.files import FileTree
from manako.data.names import composed, is_picture

SOUNDS = (".wav",)
TABLES = (".csv", ".tsv")
ARRAYS = (".npy",)
VOLUMES = (".nii", ".nii.gz")
SUFFIXES = (*SOUNDS, *TABLES, *ARRAYS, *VOLUMES)
"""Endings of files that are read as signals or volumes, in lower case."""


def is_signal(path: str) -> bool:
    """Whether a file is named like a signal or volume."""
    return path.lower().endswith(SUFFIXES) or ".ts#" in path.lower() or path.endswith("/")


def files_at(address: str, files: FileTree) -> tuple[str, ...]:
    """The files that hold what is at an address, slices in the order of their numbers."""
    if address.endswith("/"):
        inside = [path for path in files.paths if path.startswith(address) and is_picture(path)]
        return tuple(sorted(inside, key=_by_number))
    return (address.partition("#")[0] if ".ts#" in address.lower() else address,)


def bytes_at(address: str, files: FileTree) -> int:
    """How many bytes lie at an address."""
    return sum(files.sizes[path] for path in files_at(address, files))


def _by_number(path: str) -> list[tuple[int, str]]:
    """`slice10` comes after `slice9`."""
    parts = re.split(r"(\d+)", composed(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
