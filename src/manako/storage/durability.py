"""What it takes for a write to survive a power cut, and plain words for a disk that refuses one.

A file's bytes are safe after `fsync` of the file; its name is safe after `fsync` of its folder
(Pillai et al. 2014, "All File Systems Are Not Created Equal", OSDI).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manako.errors import ResourceError

REFUSALS = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose a folder on another disk"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or ask for a larger quota"),
    errno.EROFS: ("the disk is read-only", "choose a folder on a disk that can be written"),
    errno.EACCES: ("permission is denied", "choose a folder that you may write"),
    errno.EPERM: ("permission is denied", "choose a folder that you may write"),
    errno.EIO: ("the disk reports an input/output error", "check the disk before using it again"),
    errno.ENOTDIR: ("a part of the path is a file", "choose a folder that is one"),
    errno.EEXIST: ("a file is in the way", "choose another name"),
    errno.EISDIR: ("it is a folder", "give the name of a file"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
}
"""What the system may answer to a write: errno -> (in words, what helps)."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into a ResourceError that says what helps."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        reason, fix = REFUSALS[error.errno]
        raise ResourceError(
            f"cannot write {path}: {reason} ({describe_disk(path)})",
            expected="a folder with room that may be written",
            fix=f"{fix}; what was saved before is untouched",
        ) from error


def describe_disk(path: Path) -> str:
    """Where the disk of `path` is mounted and how much of it is free."""
    place = path.absolute().parent  # its own name may be too long to ask for
    while not place.exists() and place != place.parent:
        place = place.parent
    usage = shutil.disk_usage(place)
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return f"{usage.free / 1e9:.2f} of {usage.total / 1e9:.2f} GB free on {place}"


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk (where the system can say so: POSIX)."""
    if os.name == "posix":
        sync_file(path)


def make_folder(path: Path) -> None:
    """Make a folder and the parents it lacks, each with a durable name."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_published(path: Path) -> None:
    """Make the new name `path` durable; it is there already, so a failure is another error."""
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(
            f"{path} is saved but durability is uncertain: the disk did not confirm its name "
            f"({error.strerror})",
            expected="fsync of the folder to succeed",
            fix="check the disk; save again before relying on it after a power cut",
        ) from error
