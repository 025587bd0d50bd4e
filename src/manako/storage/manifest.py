"""The list of what belongs into a folder: `MANIFEST`, written last, checked at every reading.

It is JSON, file -> {"bytes", "sha256"} (null where nothing was hashed), in one canonical form: a
MANIFEST that was altered, even in its white space, is refused like any other altered file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from manako.errors import ArtefactError
from manako.storage.files import hash_file

MANIFEST = "MANIFEST"

UNSYNCED = "UNSYNCED"
"""In a folder of a cache: the start of the machine since which its bytes may not be on the disk."""

NOT_CONTENT = frozenset({MANIFEST, UNSYNCED, ".lock", ".DS_Store", "Thumbs.db", "desktop.ini"})
"""Names that a saved folder may contain although its MANIFEST does not list them."""


class Listed(TypedDict):
    """What a MANIFEST says of one file."""

    bytes: int
    sha256: str | None


def write_manifest(folder: Path, *, hashed: bool = True) -> None:
    """List all files of `folder` in its MANIFEST: sizes in bytes and, if `hashed`, SHA-256."""
    listed = {
        name: Listed(bytes=path.stat().st_size, sha256=hash_file(path) if hashed else None)
        for name, path in contents(folder).items()
    }
    (folder / MANIFEST).write_text(_canonical(listed), encoding="utf-8", newline="\n")


def contents(folder: Path) -> dict[str, Path]:
    """The files of `folder` that are its content, by relative POSIX name.

    Errors: ArtefactError for a link, which would lead out of the folder.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ArtefactError(
                f"{path} is a link", expected="files only", fix="put the file itself there"
            )
        if path.is_file() and name not in NOT_CONTENT:
            found[name] = path
    return found


def read_manifest(folder: Path) -> dict[str, Listed]:
    """What the MANIFEST of `folder` lists; ArtefactError where it is missing or damaged."""
    try:
        text = (folder / MANIFEST).read_bytes().decode()
        listed: dict[str, Listed] = json.loads(text)
        intact = _is_listing(listed) and text == _canonical(listed)
    except FileNotFoundError:
        raise _damaged(folder, f"{MANIFEST} is missing, so it was never finished") from None
    except (ValueError, RecursionError):
        intact = False
    if not intact:
        raise _damaged(folder, f"{MANIFEST} was changed")
    return listed


def verify_folder(folder: Path) -> None:
    """Compare every file of `folder` with its MANIFEST.

    Errors: ArtefactError naming the first file that is missing, changed, extra or not hashed.
    """
    listed = verify_sizes(folder)
    for name, entry in listed.items():
        if hash_file(folder / name) != entry["sha256"]:
            raise _damaged(folder, f"{name} was changed: its SHA-256 differs from the {MANIFEST}")


def verify_sizes(folder: Path) -> dict[str, Listed]:
    """Compare names and sizes with the MANIFEST, without reading the files; what it lists."""
    listed, found = read_manifest(folder), contents(folder)
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise _damaged(folder, f"{name} is missing")
        if name not in listed:
            raise _damaged(folder, f"{name} is extra: the {MANIFEST} does not list it")
        size, wanted = found[name].stat().st_size, listed[name]["bytes"]
        if size != wanted:
            raise _damaged(folder, f"{name} was changed: it has {size} bytes, not {wanted}")
    return listed


def _is_listing(listed: object) -> bool:
    return isinstance(listed, dict) and all(
        isinstance(entry, dict)
        and entry.keys() == Listed.__annotations__.keys()
        and isinstance(entry["bytes"], int)
        and isinstance(entry["sha256"], str | None)
        for entry in listed.values()
    )


def _canonical(listed: dict[str, Listed]) -> str:
    return json.dumps(listed, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _damaged(folder: Path, what: str) -> ArtefactError:
    return ArtefactError(
        f"{folder} is damaged: {what}",
        expected=f"the files that its {MANIFEST} lists, unchanged",
        fix="copy it anew from where it came from, or use an older one",
    )
