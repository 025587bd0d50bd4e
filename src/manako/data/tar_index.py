"""Where each file lies inside a plain tar, found from the headers alone.

Written here rather than taken from `tarfile` for three reasons: an archive that is cut off or
damaged midway is an error and not a shorter archive; links and devices are refused by name; and
60,000 members take a second, not three. Formats: v7, ustar and pax (POSIX.1-2001, pax utility,
"pax Interchange Format" and "ustar Interchange Format"), and GNU long names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from manako.errors import ArtefactError

BLOCK = 512
MAX_HEADER_BYTES = 1_000_000
"""The longest extended header that is read; real ones have some hundred bytes."""

_FILES = b"0\x007"
_FOLDER = b"5"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"S": "a sparse file",
    b"M": "the rest of a file from another volume",
}
_ZEROS = bytes(BLOCK)


class Member(NamedTuple):
    """A file or folder of an archive: its name as stored, and where its content begins."""

    name: str
    is_folder: bool
    offset: int
    size: int


def tar_members(file_path: Path, path: Path | None = None) -> Iterator[Member]:
    """The members of a plain tar in their order. `path` is what errors call it.

    Errors: ArtefactError for an archive that is damaged, cut off, or holds a link, device or
    anything else that is neither file nor folder.
    """
    path = path or file_path
    with file_path.open("rb", buffering=0) as file:
        length = file.seek(0, 2)
        offset = 0
        extended: dict[str, str] = {}
        everywhere: dict[str, str] = {}
        while True:
            header = _header(file, path, offset)
            if header is None:
                return
            kind, size, start = header[156:157], _size(header, path, offset), offset + BLOCK
            size = int(extended.get("size", size)) if kind not in b"xgLK" else size
            offset = start + -(-size // BLOCK) * BLOCK
            if start + size > length:
                raise _cut_off(path, length)
            if kind in b"xgLK":
                fields = _extension(file, path, kind, start, size)
                (everywhere if kind == b"g" else extended).update(fields)
                continue
            fields = {**everywhere, **extended} if extended else everywhere
            member = _member(header, kind, fields, path)
            if member is not None:
                yield Member(member[0], member[1], start, 0 if member[1] else size)
            extended = {}


def _header(file: IO[bytes], path: Path, offset: int) -> bytes | None:
    """The header block at `offset`; None at the end of the archive."""
    file.seek(offset)
    block = file.read(BLOCK)
    if block == _ZEROS:
        return None
    if len(block) < BLOCK:
        raise _cut_off(path, offset + len(block))
    stated = block[148:156].split(b"\0")[0].strip()
    actual = sum(block[:148]) + 8 * 32 + sum(block[156:])  # its own field counts as spaces
    if not stated or not _is_octal(stated) or int(stated, 8) != actual:
        raise _damaged(path, f"the header at byte {offset:,} does not match its checksum")
    return block


def _size(header: bytes, path: Path, offset: int) -> int:
    field = header[124:136]
    if field[0] & 0x80:  # GNU: binary where octal is too short
        size = int.from_bytes(field, "big") & ~(0x80 << 88)
        if field[0] == 0x80:
            return size
    digits = field.split(b"\0")[0].strip()
    if _is_octal(digits):
        return int(digits or b"0", 8)
    raise _damaged(path, f"the header at byte {offset:,} states no size")


def _member(
    header: bytes, kind: bytes, fields: dict[str, str], path: Path
) -> tuple[str, bool] | None:
    """Name of a member and whether it is a folder; None for a volume label."""
    name = fields.get("path") or _plain_name(header, path)
    if kind == b"V":
        return None
    sparse = any(field.startswith("GNU.sparse.") for field in fields)
    if kind not in _FILES + _FOLDER or sparse:
        what = "a sparse file" if sparse else _REFUSED.get(kind, f"of the unknown type {kind!r}")
        raise ArtefactError(
            f"{path}: the member {name!r} is {what}",
            expected="an archive of regular files and folders",
            fix="pack the data set anew without it (tar --dereference packs what links point to)",
        )
    return name, kind == _FOLDER or name.endswith("/")


def _plain_name(header: bytes, path: Path) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0":  # GNU's own format keeps times in the place of the prefix
        prefix = header[345:500].split(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _text(name, path)


def _extension(file: IO[bytes], path: Path, kind: bytes, start: int, size: int) -> dict[str, str]:
    """What an extended header says of the next member (or, of kind g, of all that follow)."""
    if size > MAX_HEADER_BYTES:
        raise _damaged(path, f"an extended header of {size:,} bytes")
    file.seek(start)
    content = file.read(size)
    if kind == b"L":
        return {"path": _text(content.split(b"\0")[0], path)}
    if kind == b"K":  # the target of a link, which is refused when its member comes
        return {}
    return dict(_records(content, path))


def _records(content: bytes, path: Path) -> Iterator[tuple[str, str]]:
    """The records `length key=value` of a pax header that matter here."""
    while content:
        digits, space, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not space or not equals or not value.endswith(b"\n") or length > len(content):
            raise _damaged(path, "an extended header that cannot be read")
        content = content[length:]
        name = _text(key, path)
        if name == "size" and not value[:-1].isdigit():
            raise _damaged(path, f"an extended header with the size {value[:-1]!r}")
        if name in ("path", "size") or name.startswith("GNU.sparse."):
            yield name, _text(value[:-1], path)


def _text(name: bytes, path: Path) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ArtefactError(
            f"{path}: the name {name!r} is not UTF-8", fix="rename the file and pack anew"
        ) from error


def _is_octal(digits: bytes) -> bool:
    return not digits.translate(None, b"01234567")


def _cut_off(path: Path, length: int) -> ArtefactError:
    return ArtefactError(
        f"{path} is cut off after {length:,} bytes",
        expected="an archive that ends with a block of zeros",
        fix="copy or download it anew",
    )


def _damaged(path: Path, what: str) -> ArtefactError:
    return ArtefactError(f"{path} is damaged: {what}", fix="copy or download it anew")
