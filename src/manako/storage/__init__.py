"""Files and folders that are whole or absent, locks, and caches: nothing here imports torch.

`manako.storage.tensors`, which does, is imported by its own name.
"""

from manako.storage.caches import Cache, Entry, all_caches, cache_root
from manako.storage.files import append_line, hash_file, write_bytes_atomic, write_text_atomic
from manako.storage.folders import replace_folder, save_folder
from manako.storage.locks import FolderLock
from manako.storage.manifest import verify_folder
from manako.storage.temporary import sweep_leftovers

__all__ = [
    "Cache",
    "Entry",
    "FolderLock",
    "all_caches",
    "append_line",
    "cache_root",
    "hash_file",
    "replace_folder",
    "save_folder",
    "sweep_leftovers",
    "verify_folder",
    "write_bytes_atomic",
    "write_text_atomic",
]
