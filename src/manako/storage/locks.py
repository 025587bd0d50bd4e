"""One process at a time in a folder.

The lock belongs to the process and goes with it, however it ends: nothing stale ever has to be
removed. The text in the lock file only tells others who holds it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from manako.errors import BusyError, ResourceError
from manako.storage.durability import disk_errors, make_folder

LOCK = ".lock"
HELD_ELSEWHERE = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
LOCKED_BYTE = 1 << 20  # Windows forbids reading locked bytes, so one beyond the text is locked

_held: set[int] = set()


class FolderLock:
    """Hold `folder` (made if needed) for the length of a `with` block.

    The file `.lock` stays there, empty, when the lock is given back: to delete it would let two
    processes hold two different files. Errors: BusyError (who and since when) where another lock
    is held, by this process or another; ResourceError where the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        path = self.folder / LOCK
        with disk_errors(path):
            make_folder(self.folder)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, self.folder)
            _write_owner(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or descriptor not in _held:  # a forked child holds nothing
            return
        os.ftruncate(descriptor, 0)
        _unlock(descriptor)
        _held.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _lock_on_windows(descriptor, lock=True)
    except OSError as error:
        if error.errno in HELD_ELSEWHERE:
            raise _busy(descriptor, folder) from None
        raise ResourceError(
            f"cannot lock {folder}: {error.strerror}",
            expected="a file system with file locks",
            fix="choose a folder on a local disk",
        ) from error


def _unlock(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
    else:
        _lock_on_windows(descriptor, lock=False)


def _lock_on_windows(descriptor: int, *, lock: bool) -> None:
    import msvcrt
    from typing import Any

    windows: Any = msvcrt
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    windows.locking(descriptor, windows.LK_NBLCK if lock else windows.LK_UNLCK, 1)


def _write_owner(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(owner).encode())


def _busy(descriptor: int, folder: Path) -> BusyError:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        owner = json.loads(os.read(descriptor, 4096))
        who = f"pid {owner['pid']} on host {owner['host']} (since {owner['since']})"
    except (ValueError, KeyError, TypeError):  # locked this very moment, not yet written
        who = "another process"
    return BusyError(
        f"{folder} is in use by {who}",
        expected="a folder that nobody else works in",
        fix="wait until it ends, or choose another folder",
    )


def _forget_in_child() -> None:
    """A forked worker must not keep the lock of a parent that was killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
