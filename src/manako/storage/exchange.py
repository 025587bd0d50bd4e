"""Two folders change names in one step."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

CURRENT_FOLDER = -100  # AT_FDCWD of <fcntl.h>
EXCHANGE = 2  # RENAME_EXCHANGE of <linux/fs.h>
NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EOPNOTSUPP})


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two folders, atomically; False where the system cannot (renameat2(2))."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(CURRENT_FOLDER, paths[0], CURRENT_FOLDER, paths[1], EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in NOT_SUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
