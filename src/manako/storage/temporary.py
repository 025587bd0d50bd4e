"""Names for what is not finished, and the removal of what a killed process left behind.

A temporary file or folder lies beside its goal and is called
`.tmp-<name>-<host>-<pid>-<random>`, so that anybody can tell whose it is.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path

TEMPORARY = re.compile(
    r"\.(?P<kind>tmp|old)-(?P<name>.+)-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}"
)


def temporary_path(target: Path, kind: str = "tmp") -> Path:
    """A new name beside `target`: kind "tmp" for what is being made, "old" for what was there."""
    random = secrets.token_hex(4)
    return target.with_name(f".{kind}-{target.name}-{_host()}-{os.getpid()}-{random}")


def sweep_leftovers(parent: Path) -> list[Path]:
    """Remove what processes of this host that are no longer alive left unfinished in `parent`.

    A folder that a process was about to replace when it died gets its name back. Everything else
    is left alone: other names, other hosts, living processes. Returns what was removed or renamed.
    """
    swept = []
    for path in sorted(parent.glob(".*-*")) if parent.is_dir() else []:
        found = TEMPORARY.fullmatch(path.name)
        if found is None or found["host"] != _host() or _is_alive(int(found["pid"])):
            continue
        target = path.with_name(found["name"])
        if found["kind"] == "old" and not target.exists():
            with suppress(FileNotFoundError):  # another process swept it first
                path.rename(target)
        else:
            remove(path)
        swept.append(path)
    return swept


def remove(path: Path) -> None:
    """Remove a file or a folder of our own; what resists stays for the next sweep."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_alive(pid: int) -> bool:
    if os.name != "posix":  # there, signal 0 would end the process instead of asking after it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True
