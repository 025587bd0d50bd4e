"""A data set's files under one interface, whether they lie in a folder or in an archive.

Paths inside a tree are relative, with `/`, sorted. A folder may hold links, for its owner made
them; an archive, which may come from anybody, may not (see `archives`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

from manako.data import archives
from manako.data.names import is_ignored, nearest
from manako.errors import DataError


class FileTree(Protocol):
    """The files of a data set. A tree can be pickled, and read from any process or thread."""

    @property
    def root(self) -> Path:
        """The folder or archive."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files by relative path, sorted; hidden and system files are left out."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Path -> bytes."""

    @property
    def empty_folders(self) -> tuple[str, ...]:
        """Folders under which no file lies, as far as the archive tells."""

    def read(self, path: str) -> bytes:
        """The content of one file."""

    def cache_key(self) -> str:
        """A SHA-256 that names these files on this machine: what is kept of them is kept under it.

        Another folder or archive has another key, whatever its files are called. What a run is
        bound to, wherever its data lie, is `Dataset.fingerprint`.
        """


def open_tree(path: Path) -> FileTree:
    """The files of a folder, or of an archive (.tar, .zip, .tar.gz, .tgz, .tar.bz2).

    Errors: DataError where there is no such folder or archive, ArtefactError where an archive is
    damaged or holds what it should not, ResourceError where the disk is too small to unpack it.
    """
    if path.is_dir():
        return FolderTree.scan(path)
    if not path.exists():
        raise _missing(path)
    tree = archives.open_archive(path)
    if tree is None:
        raise DataError(
            f"{path} is neither a folder nor an archive",
            expected="a folder, or a file ending in " + ", ".join(archives.SUFFIXES),
        )
    return tree


def _files_in(root: Path, folder: str) -> list[str]:
    names = sorted(one.name for one in (root / folder).iterdir() if one.is_file())
    return [f"{folder}/{name}" for name in names if not is_ignored(name)]


@dataclass(frozen=True)
class FolderTree:
    """The files below a folder; links are followed.

    `changed_ns` says of each file when its content was changed, and when anything of it was: the
    first can be set by anybody, the second by none.
    """

    root: Path
    sizes: Mapping[str, int]
    empty_folders: tuple[str, ...]
    changed_ns: tuple[tuple[int, int], ...] = field(repr=False)

    @classmethod
    def scan(cls, root: Path) -> Self:
        """All files below `root`. Errors: DataError for what cannot be read."""
        files: list[tuple[str, os.stat_result]] = []
        empty: list[str] = []
        _scan(root, "", [], files, empty)
        return cls._of(root, files, tuple(sorted(empty)))

    @classmethod
    def listed(cls, root: Path, paths: Iterable[str]) -> Self:
        """The files among `paths` that exist, without a look at what else is in the folder.

        Of a folder among them, the files that lie in it.
        """
        unique = dict.fromkeys(
            one
            for path in paths
            for one in (_files_in(root, path) if (root / path).is_dir() else (path,))
        )
        found = [(path, (root / path).stat()) for path in unique if (root / path).is_file()]
        return cls._of(root, found, ())

    @classmethod
    def _of(
        cls, root: Path, files: list[tuple[str, os.stat_result]], empty: tuple[str, ...]
    ) -> Self:
        files.sort(key=lambda file: file[0])
        sizes = {path: info.st_size for path, info in files}
        changed_ns = tuple((info.st_mtime_ns, info.st_ctime_ns) for _, info in files)
        return cls(root, sizes, empty, changed_ns)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All files by relative path, sorted; hidden and system files are left out."""
        return tuple(self.sizes)

    def read(self, path: str) -> bytes:
        """The content of one file. Errors: DataError naming it."""
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.root / path} cannot be read: {error.strerror}",
                fix="run again if the folder was changed meanwhile, else check its permissions",
            ) from error

    def cache_key(self) -> str:
        """A SHA-256 over where the folder lies, and the paths, sizes and times of its files."""
        lines = (
            f"{path}\0{size}\0{written}\0{changed}"
            for (path, size), (written, changed) in zip(
                self.sizes.items(), self.changed_ns, strict=True
            )
        )
        place = os.fsencode(self.root.resolve())
        return hashlib.sha256(b"\0".join([place, "\n".join(lines).encode()])).hexdigest()


def _scan(
    folder: Path,
    prefix: str,
    above: list[tuple[int, int]],
    files: list[tuple[str, os.stat_result]],
    empty: list[str],
) -> int:
    """Collect the files below `folder`; how many there are. `above` guards against link circles."""
    here = (folder.stat().st_dev, folder.stat().st_ino)
    if here in above:
        raise DataError(f"{folder} is a link to a folder around it", fix="remove the link")
    count = 0
    for name, info in _entries(folder):
        path = prefix + name
        _check_utf8(folder, name)
        if stat.S_ISDIR(info.st_mode):
            count += _scan(folder / name, path + "/", [*above, here], files, empty)
        elif stat.S_ISREG(info.st_mode):
            files.append((path, info))
            count += 1
        else:
            raise DataError(f"{folder / name} is neither a file nor a folder", fix="remove it")
    if count == 0 and prefix:
        empty.append(prefix[:-1])
    return count


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                yield entry.name, entry.stat()
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename} is a link to nothing, or was removed meanwhile",
            fix="remove the link or restore what it points to",
        ) from error
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error


def _check_utf8(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"the name of {str(folder / name)!a} is not UTF-8", fix="rename the file"
        ) from error


def _missing(path: Path) -> DataError:
    parent = path.absolute().parent
    if not parent.is_dir():
        return DataError(f"{path} does not exist, nor does {parent}", fix="check the path")
    near = nearest(path.name, sorted(child.name for child in parent.iterdir()))
    return DataError(f"{path} does not exist", fix=near or f"look into {parent}")
