"""Readers of data sets: one file for each layout on disk, found by looking.

`FORMATS` is the table of all; the first that fits reads the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from manako.data.dataset import Dataset
from manako.data.files import FileTree, open_tree
from manako.data.formats.check import checked
from manako.data.formats.class_folders import ClassFolders
from manako.data.formats.mask_pairs import MaskPairs
from manako.data.formats.pascal_voc import PascalVoc
from manako.data.formats.protocol import Format
from manako.data.formats.tables import KINDS, Tables, read_table
from manako.data.formats.uea import UeaSeries
from manako.data.names import listed, suffix
from manako.errors import DataError

FORMATS: tuple[Format, ...] = (PascalVoc(), MaskPairs(), UeaSeries(), Tables(), ClassFolders())
"""Every layout that can be read; those with folders of fixed names are tried first."""

__all__ = ["FORMATS", "Format", "read_dataset"]


def read_dataset(path: str | Path, *, classes: Sequence[str] | None = None) -> Dataset:
    """The data set in a folder, an archive or a table (.csv, .jsonl).

    `classes` are the names of a recognizer, in its order: labels are brought to that order by
    name, a name it does not know is refused, one that the data lack is noted. Errors: DataError
    for what cannot be used, ArtefactError for an archive that is damaged or refused.
    """
    path = Path(path)
    if path.suffix.lower() in KINDS and path.is_file():
        return checked(read_table(path), classes)
    files = open_tree(path)
    for layout in FORMATS:
        dataset = layout.read(files)
        if dataset is not None:
            return checked(dataset, classes)
    looked_for = "".join(f"\n    {layout.name}: {layout.looks_for}" for layout in FORMATS)
    raise DataError(
        f"{path} holds no data set of a kind that can be read: {_seen(files)}",
        expected=f"one of{looked_for}",
        fix="give the folder that holds these, or arrange the files so",
    )


def _seen(files: FileTree) -> str:
    """What lies at the top, in a few words."""
    if not files.paths:
        return "there is no file in it"
    tops = sorted({name for name, slash, _ in (p.partition("/") for p in files.paths) if slash})
    kinds = Counter(suffix(path) or "without ending" for path in files.paths)
    counts = listed([f"{count:,} {kind}" for kind, count in kinds.most_common()])
    folders = f"the folders {listed([f'{top}/' for top in tops])}" if tops else "no folders"
    return f"there are {folders}, files: {counts}"
