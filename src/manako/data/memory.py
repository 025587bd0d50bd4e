"""Memory that is freed stays with the process, for the next picture or step to use.

A decoded picture is a block of a megabyte; a training step allocates and frees hundreds of larger
ones. The C library of Linux (glibc) maps such a block anew each time, and gives the end of its heap
back whenever that is large (mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD). The system then clears
every page again when it is first touched: 29,500 page faults a step of `quick32`, a third of the
step's time, and 260 a picture of 500 x 375, over a third of the time that decoding it takes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of parameters in glibc's malloc.h
_NEVER = 2**31 - 1  # bytes; mallopt takes a C int
_CHOSEN_BY_USER = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, from now on; True where that is possible.

    The process then stays as large as it once was, which is why it is for programs that compute
    and end, and not done on import. Nothing happens away from glibc, or where the user has tuned
    the allocator through the environment.
    """
    if not _is_glibc() or _tuned_by_user():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))


def _is_glibc() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):  # another C library does not know the name
        return False


def _tuned_by_user() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc." in tunables or any(name in os.environ for name in _CHOSEN_BY_USER)
