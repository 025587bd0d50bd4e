"""Single files that are either the old one or the new one, never something between."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from manako.errors import UsageError
from manako.storage.durability import REFUSALS, disk_errors, make_folder, sync_file, sync_published
from manako.storage.temporary import remove, temporary_path


def expect_place(path: Path) -> None:
    """Refuse a path at which nothing can be made, before the work whose result it would hold.

    Errors: UsageError for a path through a file, or a name that is too long.
    """
    if not path.name:  # the current folder, or the root
        return
    try:
        temporary_path(path).lstat()  # the name under which it will be made, and the longest
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {REFUSALS.get(error.errno or 0, (error.strerror,))[0]}",
            expected="a name in a folder, which may be new",
            fix="choose another name or another folder",
        ) from error


def expect_file_place(path: Path) -> None:
    """`expect_place` for a file: a folder is refused as well."""
    expect_place(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder", expected="the name of a file")


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a whole file, or leave the old one: temporary file, fsync, rename, fsync of the folder.

    Parents that are missing are made.

    Errors: ResourceError where the disk refuses (full, quota, read-only, permission).
    """
    temporary = temporary_path(path)
    with disk_errors(path):
        make_folder(path.parent)
        try:
            temporary.write_bytes(data)
            sync_file(temporary)
            temporary.replace(path)
        except BaseException:
            remove(temporary)
            raise
    sync_published(path)


def write_text_atomic(path: Path, text: str) -> None:
    """`write_bytes_atomic` for text, in UTF-8 and with the line ends it has."""
    write_bytes_atomic(path, text.encode())


def append_line(path: Path, text: str) -> None:
    """Add one line to a log in UTF-8. Not synced: a power cut may take the last lines.

    A line that a crash cut off stays as it is; the new line begins below it.
    Errors: UsageError for text of more than one line, ResourceError where the disk refuses.
    """
    if "\n" in text or "\r" in text:
        raise UsageError(f"a line for {path.name} must not contain line breaks: {text[:60]!r}")
    with disk_errors(path):
        make_folder(path.parent)
        with path.open("a+b") as file:
            torn = file.seek(0, os.SEEK_END) > 0 and not _ends_with_newline(file)
            file.write((b"\n" if torn else b"") + text.encode() + b"\n")


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ends_with_newline(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
