"""Where a signal is: a file, a line of a file with many series, or a folder of slices.

walk/1.csv                one file
Walks_TRAIN.ts#12         a series of a file, counted from 0
scans/patient 7/          the pictures in a folder, slice by slice
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from manako.data.files import FileTree
from manako.data.names import composed, is_picture

SOUNDS = (".wav",)
TABLES = (".csv", ".tsv")
ARRAYS = (".npy",)
VOLUMES = (".nii", ".nii.gz")
MANY = ".ts"  # a file of many series
SUFFIXES = (*SOUNDS, *TABLES, *ARRAYS, *VOLUMES)
"""Endings of files that are read as signals or volumes, in lower case."""


def is_signal(path: str) -> bool:
    """Whether a file is named like a signal or volume."""
    return path.lower().endswith(SUFFIXES) or is_one_of_many(path) or path.endswith("/")


def is_one_of_many(path: str) -> bool:
    """Whether a series of a file is meant, by its number."""
    return re.search(r"(?i)\.ts#\d+$", path) is not None


def files_at(address: str, files: FileTree) -> tuple[str, ...]:
    """The files that hold what is at an address, slices in the order of their numbers."""
    if address.endswith("/"):
        inside = (path for path in files_below(address, files) if is_picture(path))
        slices = (path for path in inside if "/" not in path[len(address) :])
        return tuple(sorted(slices, key=_by_number))
    if address in files.sizes or not is_one_of_many(address):
        return (address,)
    return (address.rpartition("#")[0],)


def files_below(folder: str, files: FileTree) -> Iterator[str]:
    """The files whose path begins with `folder`, which ends in a slash."""
    paths = files.paths
    for place in range(bisect_left(paths, folder), len(paths)):  # they are sorted
        if not paths[place].startswith(folder):
            return
        yield paths[place]


def bytes_at(address: str, files: FileTree) -> int:
    """How many bytes lie at an address."""
    return sum(files.sizes[path] for path in files_at(address, files))


def _by_number(path: str) -> list[tuple[int, str]]:
    """`slice10` comes after `slice9`."""
    parts = re.split(r"(\d+)", composed(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
