"""Folders that are there whole or not at all, whatever happens while they are written.

A folder is made under a temporary name in the same parent; every file is synced, the `MANIFEST`
follows last, all is read back and compared, and only then one rename gives the folder its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manako.errors import UsageError
from manako.storage.durability import (
    disk_errors,
    make_folder,
    sync_file,
    sync_folder,
    sync_published,
)
from manako.storage.exchange import exchange
from manako.storage.manifest import MANIFEST, contents, verify_folder, write_manifest
from manako.storage.temporary import remove, sweep_leftovers, temporary_path

__all__ = ["replace_folder", "save_folder", "sweep_leftovers", "sync_contents", "verify_folder"]

Write = Callable[[Path], None]
"""Fills the empty folder it is given."""


def save_folder(target: Path, write: Write, *, hashed: bool = True, synced: bool = True) -> None:
    """Make `target`, filled by `write`, durable and complete, or leave no trace.

    What can be made anew at any time may go without being `hashed`: its MANIFEST lists sizes, and
    it is not read back. It may go without being `synced`, too: then a power cut can damage it.

    Errors: UsageError where `target` exists, ResourceError where the disk refuses (full, quota,
    read-only, permission), ArtefactError where the files read back differ from those written;
    whatever `write` raises.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes"
    >>> save_folder(target, lambda folder: (folder / "a.txt").write_bytes(b"a") and None)
    >>> sorted(path.name for path in target.iterdir())
    ['MANIFEST', 'a.txt']
    """
    _refuse_existing(target)
    with _finished_folder(target, write, hashed, synced) as temporary:
        try:
            temporary.rename(target)
        except OSError:
            _refuse_existing(target)
            raise
    sync_published(target)


def replace_folder(target: Path, write: Write, *, hashed: bool = True, synced: bool = True) -> None:
    """Like `save_folder`, but an existing `target` gives way once the new one is complete.

    The two are swapped in one step where the system can (Linux); elsewhere a crash between two
    renames leaves the old folder under a name from which `sweep_leftovers` brings it back.
    """
    with _finished_folder(target, write, hashed, synced) as temporary:
        if not target.exists():
            temporary.rename(target)
        elif not exchange(temporary, target):
            _rename_twice(temporary, target)
    sync_published(target)


@contextmanager
def _finished_folder(target: Path, write: Write, hashed: bool, synced: bool) -> Iterator[Path]:
    """A complete, synced, verified folder beside `target`; what is left of it at the end goes."""
    temporary = temporary_path(target)
    with disk_errors(target):
        try:
            make_folder(target.parent)
            temporary.mkdir()
            write(temporary)
            write_manifest(temporary, hashed=hashed)
            if synced:
                sync_contents(temporary)
            if hashed:
                verify_folder(temporary)
            yield temporary
        finally:
            remove(temporary)


def sync_contents(folder: Path) -> None:
    """Wait until the files of `folder` and their names are on the disk, its MANIFEST last."""
    files = contents(folder)
    for path in files.values():
        sync_file(path)
    sync_file(folder / MANIFEST)
    for inner in sorted({path.parent for path in files.values()} | {folder}):
        sync_folder(inner)


def _rename_twice(temporary: Path, target: Path) -> None:
    old = temporary_path(target, "old")
    target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        old.rename(target)
        raise
    remove(old)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target} exists already", fix="choose another name, or remove it first")
