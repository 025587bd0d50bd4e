"""Which files a user means: by name, folder and pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from manako.data.names import PICTURE_SUFFIXES, is_ignored, is_picture
from manako.data.signals.addresses import MANY, SUFFIXES, is_one_of_many, is_signal
from manako.data.signals.reading import series_at
from manako.errors import DataError


class Kind(NamedTuple):
    """What is looked for in folders."""

    name: str
    suffixes: Iterable[str]
    is_one: Callable[[str], bool]


PICTURES = Kind("picture", PICTURE_SUFFIXES, is_picture)
SIGNALS = Kind(
    "signal", (*SUFFIXES, MANY), lambda name: is_signal(name) or name.lower().endswith(MANY)
)


def find_inputs(inputs: Sequence[Path], kind: Kind = PICTURES) -> list[Path]:
    """The files of a kind that `inputs` mean, in their order, each once.

    A file is taken as it is; of a folder, the pictures in it and below, sorted by path. Where
    neither is there, the name is a pattern, as shells have them (`*`, `?`, `[ab]`), with `**` for
    any folders; of what it matches, pictures and the pictures of folders are taken. Hidden files
    and those that systems leave behind are left out.

    Where signals are looked for, a .ts file stands for each of its series, and a folder without
    signals for the volumes whose slices are the pictures of a folder.

    Errors: DataError naming the input for which none was found.
    """
    found: dict[str, Path] = {}
    for path in inputs:
        for file in _found(path, kind):
            for one in _parts(file) if kind is SIGNALS else [file]:
                found.setdefault(os.path.abspath(one), one)  # noqa: PTH100 - resolves no links
    return list(found.values())


def _found(path: Path, kind: Kind) -> list[Path]:
    try:
        is_folder, is_there = path.is_dir(), _file_of(path).exists()
    except OSError as error:
        raise DataError(
            f"cannot look at {path}: {error.strerror or error}",
            expected=f"a {kind.name}, a folder of them or a pattern",
        ) from error
    if is_folder:
        inside = _inside(path, kind)
        if not inside:
            raise DataError(
                f"the folder {path} has no {kind.name} in it or below",
                expected="files that end in " + ", ".join(sorted(kind.suffixes)),
            )
        return inside
    if is_there:
        return [path]
    if not glob.has_magic(str(path)):
        raise DataError(
            f"there is no file {path}", expected=f"a {kind.name}, a folder of them or a pattern"
        )
    pictures = _matched(path, kind)
    if not pictures:
        raise DataError(
            f"the pattern {path} matches no {kind.name}",
            expected="files that end in " + ", ".join(sorted(kind.suffixes)),
        )
    return pictures


def _matched(pattern: Path, kind: Kind) -> list[Path]:
    """The pictures among what `pattern` matches, and those of the folders among it.

    What stands before the first wildcard is taken as it is, a folder `photos[1]` that is there too.
    """
    fixed = Path()
    rest = list(pattern.parts)
    while rest and (not glob.has_magic(rest[0]) or (fixed / rest[0]).exists()):
        fixed /= rest.pop(0)
    wanted = str(Path(glob.escape(str(fixed)), *rest))
    matches = [Path(one) for one in sorted(glob.glob(wanted, recursive=True))]  # noqa: PTH207
    found: list[Path] = []
    for match in matches:
        if is_ignored(_named(match.relative_to(fixed))):
            continue
        if match.is_dir():
            found += _inside(match, kind)
        elif kind.is_one(match.name):
            found.append(match)
    return found


def _named(path: Path) -> str:
    """A path without its steps up, which are no hidden names."""
    return "/".join(part for part in path.parts if part != "..")


def _inside(folder: Path, kind: Kind) -> list[Path]:
    def named(is_one: Callable[[str], bool]) -> list[Path]:
        return sorted(
            one
            for one in folder.rglob("*")
            if is_one(one.name) and not is_ignored(str(one.relative_to(folder))) and one.is_file()
        )

    found = named(kind.is_one)
    if kind is SIGNALS and not found:
        return list(dict.fromkeys(slice_.parent for slice_ in named(is_picture)))
    return found


def _parts(path: Path) -> list[Path]:
    """The series of a file of many; the file itself where it is none or cannot be read."""
    if not path.name.lower().endswith(MANY):
        return [path]
    try:
        count = len(series_at(path).values)
    except (DataError, OSError):  # told when it is read, so that the others are answered
        return [path]
    return [Path(f"{path}#{number}") for number in range(count)]


def _file_of(path: Path) -> Path:
    is_series = is_one_of_many(path.name) and not path.exists()
    return Path(str(path).rpartition("#")[0]) if is_series else path
