"""Results kept so as not to be computed again: with a place, a cap and a way to clear them.

A cache holds folders, each made whole by `save_folder` under a key that names its content; a wrong
or damaged entry is made anew, never trusted. Nothing in a cache is needed: it may be deleted at
any time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from manako.errors import ArtefactError, ResourceError, UsageError
from manako.storage.folders import Write, replace_folder, save_folder, sync_contents
from manako.storage.manifest import MANIFEST, UNSYNCED, verify_sizes
from manako.storage.temporary import remove, sweep_leftovers, temporary_path

DEFAULT_CAP_GB = 20.0
TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir/: what has it is a cache, and backups pass it by
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by manako; may be deleted.\n"
_held: set[Path] = set()  # entries that this process reads from


@dataclass(frozen=True)
class Entry:
    """One folder of a cache: its size, and when it was last used (seconds since 1970)."""

    path: Path
    bytes: int
    used_seconds: float


class Cache:
    """Folders by key, in `<cache_root>/<name>`. Safe for any number of processes."""

    def __init__(self, name: str) -> None:
        if not _is_plain(name):
            raise UsageError(f"{name!r} cannot name a cache; use a-z, 0-9, '-', '_' and '.'")
        self.name = name
        self.root = cache_root() / name

    def folder(self, key: str) -> Path | None:
        """The complete entry of `key`, marked as used now; None where there is none."""
        path = self._path(key)
        if not path.is_dir() or _lost_at_start(path):
            return None
        try:
            verify_sizes(path)
            os.utime(path / MANIFEST)
        except (ArtefactError, FileNotFoundError):  # damaged, or another process removes it
            return None
        except PermissionError:  # somebody else's entry: usable, though not markable
            return path
        return path

    def create(self, key: str, write: Write, *, hashed: bool = True) -> Path:
        """The entry of `key`, filled by `write` unless it is there already.

        An entry is found again by its names and sizes alone; large ones need not be `hashed`. Such
        an entry does not wait for the disk either, where the system tells its starts apart (Linux):
        it is brought there in the background, and is not trusted if the machine was started anew
        before. Of two processes that create one key at a time both do the work and one result
        stays. Then the least recently used entries of all caches go, down to the cap of
        MANAKO_CACHE_GB (gigabytes, 20 unless set), but for this one and those that this process
        holds. Errors: ResourceError where the disk refuses.
        """
        found = self.folder(key)
        if found is not None:
            return found
        sweep_leftovers(self.root)
        path = self._path(key)
        start = "" if hashed else machine_start()
        try:
            self._fill(path, write, hashed, start)
            _tag(self.root)
        except ResourceError as error:
            raise ResourceError(
                error.what,
                expected=error.expected,
                fix=f"{error.fix}; MANAKO_CACHE=/another/folder moves the cache",
            ) from error
        if start:
            Thread(target=_bring_to_disk, args=(path,), name="syncing", daemon=True).start()
        everything = [entry for cache in all_caches() for entry in cache.entries()]
        needed = {path, *_held}
        room = _cap_bytes() - sum(entry.bytes for entry in everything if entry.path in needed)
        _trim((entry for entry in everything if entry.path not in needed), room)
        return path

    def entries(self) -> list[Entry]:
        """All entries, complete or damaged, the least recently used first."""
        paths = self.root.iterdir() if self.root.is_dir() else ()
        found = [
            Entry(path, _size(path), _used_seconds(path))
            for path in paths
            if not path.name.startswith(".") and path.is_dir()
        ]
        return sorted(found, key=lambda entry: (entry.used_seconds, entry.path))

    def clear(self) -> int:
        """Remove all entries and the leftovers of killed processes; the bytes freed."""
        sweep_leftovers(self.root)
        return self.trim(0)

    def trim(self, limit_bytes: int) -> int:
        """Remove the least recently used entries until `limit_bytes` suffice; the bytes freed."""
        return _trim(self.entries(), limit_bytes)

    def _path(self, key: str) -> Path:
        return self.root / (key if _is_plain(key) else hashlib.sha256(key.encode()).hexdigest())

    def _fill(self, path: Path, write: Write, hashed: bool, start: str) -> None:
        def filled(into: Path) -> None:
            write(into)
            if start:
                (into / UNSYNCED).write_text(start, encoding="utf-8")

        if path.exists():  # damaged, else `folder` had found it
            replace_folder(path, filled, hashed=hashed, synced=not start)
            return
        try:
            save_folder(path, filled, hashed=hashed, synced=not start)
        except UsageError:
            if self.folder(path.name) is None:
                raise  # not a race that another process won


def hold(entry: Path) -> Path:
    """The entry, which no other that this process makes will push out."""
    _held.add(entry)
    return entry


def _tag(root: Path) -> None:
    """Mark the folder of a cache, unless it holds something else, too."""
    others = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not (root / TAG).exists() and all((path / MANIFEST).exists() for path in others):
        (root / TAG).write_text(_SIGNATURE, encoding="utf-8")


def machine_start() -> str:
    """What names the current start of the machine; "" where the system does not say (not Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lost_at_start(path: Path) -> bool:
    """Whether an entry was not yet on the disk when the machine stopped."""
    try:
        return (path / UNSYNCED).read_text(encoding="utf-8") != machine_start()
    except FileNotFoundError:
        return False


def _bring_to_disk(path: Path) -> None:
    # Whether the entry is gone meanwhile or the disk refuses: the mark stays, and says the truth.
    with suppress(OSError, ArtefactError):
        sync_contents(path)
        (path / UNSYNCED).unlink()


def cache_root() -> Path:
    """MANAKO_CACHE, else XDG_CACHE_HOME/manako, else ~/.cache/manako."""
    if own := os.environ.get("MANAKO_CACHE"):
        return Path(own).expanduser().absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser().absolute() / "manako"
    return Path.home() / ".cache" / "manako"


def all_caches() -> list[Cache]:
    """The caches that exist, by name: folders with the tag, so that no other is ever cleared."""
    root = cache_root()
    paths = sorted(root.iterdir()) if root.is_dir() else []
    return [Cache(path.name) for path in paths if _is_plain(path.name) and (path / TAG).is_file()]


def _cap_bytes() -> int:
    text = os.environ.get("MANAKO_CACHE_GB") or str(DEFAULT_CAP_GB)
    try:
        return int(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise UsageError(
            f"MANAKO_CACHE_GB is {text!r}", expected="a number of gigabytes", fix="set it to 20"
        ) from None


def _trim(entries: Iterable[Entry], limit_bytes: int) -> int:
    by_age = sorted(entries, key=lambda entry: entry.used_seconds)
    used, freed = sum(entry.bytes for entry in by_age), 0
    for entry in by_age:
        if used - freed <= limit_bytes and limit_bytes > 0:
            break
        freed += _discard(entry)
    return freed


def _discard(entry: Entry) -> int:
    """Take the name away first, so that nobody finds half an entry."""
    doomed = temporary_path(entry.path)
    try:
        entry.path.rename(doomed)
    except (FileNotFoundError, PermissionError):  # removed by another process, or not ours
        return 0
    remove(doomed)
    return entry.bytes


def _size(path: Path) -> int:
    return sum(_stat_or_nothing(file)[0] for file in path.rglob("*"))


def _used_seconds(path: Path) -> float:
    return _stat_or_nothing(path / MANIFEST)[1]


def _stat_or_nothing(path: Path) -> tuple[int, float]:
    """Size in bytes (0 for folders) and time of change; nothing if it went away meanwhile."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0, 0.0
    return 0 if path.is_dir() else found.st_size, found.st_mtime


def _is_plain(name: str) -> bool:
    # Lower case only: two names that differ in case are one on some file systems.
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,119}", name) is not None
