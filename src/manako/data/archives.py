"""Data sets in archives, read where they lie: nothing is ever extracted to a path from inside.

A plain tar or zip is indexed once, then each file is read by its position. A compressed tar is
decompressed as one stream into the cache, as the plain tar it holds, and read there. Only regular
files and folders are accepted: links, devices, absolute paths, `..` and repeated names are refused
before anything is kept, since there is no data set that needs them and much harm that does.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from manako.data.names import is_ignored, split_name
from manako.data.tar_index import tar_members
from manako.errors import ArtefactError, ResourceError
from manako.storage.caches import Cache, hold

MAX_MEMBERS = 5_000_000
MAX_FILE_BYTES = 1_000_000_000
"""The largest single file that is read: more than any picture that would be decoded."""
MAX_DISK_SHARE = 0.9
"""How much of the free disk unpacking may take."""

_PACKED: dict[str, Callable[[Path], io.BufferedIOBase]] = {
    ".tar.gz": gzip.GzipFile,
    ".tgz": gzip.GzipFile,
    ".tar.bz2": bz2.BZ2File,
}
SUFFIXES = (".tar", ".zip", *_PACKED)
"""Endings of the archives that can be opened."""


class Place(NamedTuple):
    """Where a file lies in an archive. `check` is its CRC-32, if the archive states one."""

    offset: int
    size: int
    packed_size: int
    is_deflated: bool
    check: int | None


class Member(NamedTuple):
    """A file, or a folder (`place` is None), under its name in the archive."""

    name: str
    place: Place | None


@dataclass(frozen=True)
class ArchiveTree:
    """The files inside an archive `root`, read from `file` (itself, or the tar it was packed from).

    The file is opened for each reading, so a tree works in any thread and process; it must stay as
    it was, which `stamp` (size, time of change) tells. `identity` names `root` as it was.
    """

    root: Path
    file: Path
    stamp: tuple[int, int]
    identity: str
    places: Mapping[str, Place]
    empty_folders: tuple[str, ...]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All files by relative path, sorted; hidden and system files are left out."""
        return tuple(self.places)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Path -> bytes."""
        return {path: place.size for path, place in self.places.items()}

    def read(self, path: str) -> bytes:
        """The content of one file. Errors: ArtefactError naming the archive and the file."""
        if path not in self.places:
            raise ArtefactError(f"{self.root} holds no {path!r}")
        place = self.places[path]
        if max(place.size, place.packed_size) > MAX_FILE_BYTES:
            raise ArtefactError(
                f"{self.root}: {path} has {place.size:,} bytes",
                expected=f"at most {MAX_FILE_BYTES:,}",
            )
        try:
            data = self._stored(place)
            content = _inflated(data, place) if place.is_deflated else data
        except (OSError, zlib.error, struct.error) as error:
            raise ArtefactError(
                f"{self.root}: {path} cannot be read ({error})", fix="copy or download it anew"
            ) from error
        if len(content) != place.size or place.check not in (None, zlib.crc32(content)):
            raise ArtefactError(
                f"{self.root}: {path} is damaged", fix="copy or download the archive anew"
            )
        return content

    def cache_key(self) -> str:
        """A SHA-256 over where the archive lies, its ends, size and times, and what it holds."""
        lines = [self.identity]
        lines += [f"{path}\0{size}" for path, size in self.sizes.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _stored(self, place: Place) -> bytes:
        """The bytes of a file as they lie in the archive."""
        descriptor = os.open(self.file, os.O_RDONLY)
        try:
            if _stamp(os.fstat(descriptor)) != self.stamp:
                raise ArtefactError(
                    f"{self.file} was changed since it was opened", fix="run again from the start"
                )
            offset = place.offset
            if place.check is not None:  # a zip: a header of its own length comes first
                header = os.pread(descriptor, 30, offset)
                signature, name_length, extra_length = struct.unpack("<4s22xHH", header)
                if signature != b"PK\x03\x04":
                    raise zlib.error("no header where the index says")
                offset += 30 + name_length + extra_length
            return os.pread(descriptor, place.packed_size, offset)
        finally:
            os.close(descriptor)


def open_archive(path: Path) -> ArchiveTree | None:
    """The tree of an archive, None if `path` is not named like one (see `SUFFIXES`).

    Errors: ArtefactError for an archive that is damaged, cut off or holds what is refused,
    ResourceError where the disk is too small to unpack it.
    """
    name = path.name.lower()
    packed = next((suffix for suffix in _PACKED if name.endswith(suffix)), None)
    if packed is not None:
        return _tree(path, _unpacked(path, _PACKED[packed]), _tar)
    if name.endswith(".tar"):
        return _tree(path, path, _tar)
    if name.endswith(".zip"):
        return _tree(path, path, _zip)
    return None


def _tree(path: Path, file: Path, members: Callable[[Path, Path], Iterable[Member]]) -> ArchiveTree:
    stamp, identity = _stamp(file.stat()), _identity(path)
    places, folders = _accepted(path, members(file, path))
    return ArchiveTree(path.absolute(), file.absolute(), stamp, identity, places, folders)


def _stamp(info: os.stat_result) -> tuple[int, int]:
    return info.st_size, info.st_mtime_ns


def _accepted(path: Path, members: Iterable[Member]) -> tuple[dict[str, Place], tuple[str, ...]]:
    """Files by path, sorted, and empty folders, once every member was found acceptable."""
    files: dict[str, Place] = {}
    folders: set[str] = set()
    for count, (name, place) in enumerate(members):
        inside = _path_inside(path, name)
        if count >= MAX_MEMBERS:
            raise ArtefactError(f"{path} holds more than {MAX_MEMBERS:,} members")
        if place is None:
            folders.add(inside)
        elif inside in files:
            raise _refused(path, name, "is there twice")
        else:
            files[inside] = place
    if clash := sorted((folders | _folders_above(files)) & files.keys()):
        raise _refused(path, clash[0], "is both a file and a folder")
    paths = sorted(name for name in files if not is_ignored(name))
    empty = _without_files(folders, paths)
    top = _single_folder(paths)
    return (
        {name[len(top) :]: files[name] for name in paths},
        tuple(name[len(top) :] for name in empty if name.startswith(top)),
    )


def _path_inside(path: Path, name: str) -> str:
    """A member's name as a relative path without `.` and doubled slashes."""
    if name.startswith("/") or name[1:3] in (":/", ":\\"):
        raise _refused(path, name, "has an absolute path")
    if "\0" in name:
        raise _refused(path, name, "has a zero byte in its name")
    parts = name.split("/")
    if ".." in parts:
        raise _refused(path, name, "would lie outside the archive")
    if "" in parts or "." in parts:
        return "/".join(part for part in parts if part not in ("", "."))
    return name


def _without_files(folders: set[str], paths: list[str]) -> list[str]:
    """The visible folders under which no file lies."""
    empty = folders - _folders_above(paths)
    return sorted(name for name in empty if name and not is_ignored(name))


def _folders_above(paths: Iterable[str]) -> set[str]:
    """Every folder that lies above one of the files."""
    found: set[str] = set()
    for name in paths:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _single_folder(paths: list[str]) -> str:
    """`name/` if everything lies in the one folder `name` and it is no split, else nothing."""
    if not paths or "/" not in paths[0]:
        return ""
    top = paths[0].partition("/")[0]
    lonely = all(name.startswith(top + "/") for name in paths)
    return top + "/" if lonely and split_name(top) is None else ""


def _tar(file: Path, path: Path) -> Iterator[Member]:
    for name, is_folder, offset, size in tar_members(file, path):
        yield Member(name, None if is_folder else Place(offset, size, size, False, None))


def _zip(file: Path, path: Path) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise ArtefactError(
            f"{path} cannot be read as a zip ({error})", fix="copy or download it anew"
        ) from error
    for info in infos:
        name = info.filename.replace("\\", "/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(path, name, "is a link or device")
        if info.flag_bits & 1:
            raise _refused(path, name, "is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(path, name, f"is compressed by method {info.compress_type}")
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        place = Place(info.header_offset, info.file_size, info.compress_size, deflated, info.CRC)
        yield Member(name, None if name.endswith("/") else place)


def _inflated(data: bytes, place: Place) -> bytes:
    """Deflated data decompressed, at most one byte more than the index states."""
    return zlib.decompressobj(wbits=-15).decompress(data, place.size + 1)


def _unpacked(path: Path, opener: Callable[[Path], io.BufferedIOBase]) -> Path:
    """The plain tar of a compressed one, from the cache or made there now."""

    def write(folder: Path) -> None:
        target = folder / "data.tar"
        limit = int(shutil.disk_usage(folder).free * MAX_DISK_SHARE)
        written = 0
        with target.open("wb") as file:
            for chunk in _decompressed(path, opener):
                written += len(chunk)
                if written > limit:
                    raise ResourceError(
                        f"{path} unpacks to more than {limit / 1e9:.1f} GB",
                        expected=f"at most {MAX_DISK_SHARE:.0%} of the free disk",
                        fix="free some space",
                    )
                file.write(chunk)
        _accepted(path, _tar(target, path))

    return hold(Cache("archives").create(_identity(path), write)) / "data.tar"


def _decompressed(path: Path, opener: Callable[[Path], io.BufferedIOBase]) -> Iterator[bytes]:
    try:
        with opener(path) as file:
            while chunk := file.read(1 << 20):
                yield chunk
    except (EOFError, OSError, zlib.error) as error:
        raise ArtefactError(
            f"{path} is cut off or damaged ({error})", fix="copy or download it anew"
        ) from error


def _identity(path: Path) -> str:
    """What tells an archive from others: its place, size, times of change and ends."""
    info = path.stat()
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, info.st_size - (1 << 16)))
        ends = hashlib.sha256(head + file.read()).hexdigest()
    text = f"{info.st_size}\0{info.st_mtime_ns}\0{info.st_ctime_ns}\0{ends}"
    return hashlib.sha256(os.fsencode(path.resolve()) + b"\0" + text.encode()).hexdigest()


def _refused(path: Path, name: str, why: str) -> ArtefactError:
    return ArtefactError(
        f"{path}: the member {name!r} {why}",
        expected="an archive of regular files and folders, each once, below its own top",
        fix="pack the data set anew",
    )
