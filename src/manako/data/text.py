"""Text files of a data set: UTF-8 of a bounded size, with errors that name file and line."""

from __future__ import annotations

from manako.data.files import FileTree
from manako.errors import DataError

MOST_BYTES = 256 * 2**20
"""The most that a table or list of pictures may hold; some two million lines."""

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_limited(files: FileTree, path: str, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file that is parsed as a whole. Errors: DataError if it is too large."""
    check_size(path, files.sizes[path], most_bytes)
    return files.read(path)


def check_size(path: str, size: int, most_bytes: int = MOST_BYTES) -> None:
    """Errors: DataError if `size` bytes are more than such a file may have."""
    if size > most_bytes:
        raise DataError(
            f"{path} has {size:,} bytes, too many to be read as a whole",
            expected=f"at most {most_bytes:,}",
            fix="divide it, or move it away if it does not belong to the data set",
        )


def decoded(data: bytes, path: str) -> str:
    """The text of a UTF-8 file, without a byte-order mark. Errors: DataError naming the line.

    >>> decoded(b"\\xef\\xbb\\xbfcat", "classes.txt")
    'cat'
    >>> decoded("cat".encode("utf-16"), "classes.txt")
    Traceback (most recent call last):
    manako.errors.DataError: classes.txt is UTF-16
      fix     : save it as UTF-8
    """
    if data.startswith(_UTF16_MARKS) or b"\0" in data[:4]:
        raise DataError(f"{path} is UTF-16", fix="save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line} is not UTF-8", fix="save it as UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}:{line} holds a zero byte", fix="save it as plain text")
    return text


def beginning(data: bytes, most_bytes: int = 2**16) -> str:
    """The first characters of a file, whatever its encoding: enough to tell what it is."""
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    return data[:most_bytes].decode(encoding, errors="replace").replace("\0", "")
