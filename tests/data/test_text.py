"""Text files: UTF-8 alone, of a bounded size."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.data.files import FolderTree
from manako.data.text import beginning, check_size, decoded, read_limited
from manako.errors import DataError

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"))


@given(TEXTS, st.booleans())
def test_utf_8_is_read_with_and_without_a_mark(text, marked):
    assert decoded(text.encode("utf-8-sig" if marked else "utf-8"), "a.csv") == text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_refused_with_what_to_do(encoding):
    with pytest.raises(DataError, match=r"a\.csv is UTF-16\n  fix     : save it as UTF-8"):
        decoded("path,label\n".encode(encoding), "a.csv")


def test_utf_16_is_told_by_its_mark_where_no_character_is_ascii():
    with pytest.raises(DataError, match=r"a\.csv is UTF-16"):
        decoded("路径".encode("utf-16"), "a.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\nc\xe9\n", r"a\.csv:3 is not UTF-8"),
        (b"first\nb\0\n", r"a\.csv:2 holds a zero byte"),
    ],
)
def test_the_line_at_fault_is_named(data, message):
    with pytest.raises(DataError, match=message):
        decoded(data, "a.csv")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"123456")
    files = FolderTree.scan(tmp_path)

    assert read_limited(files, "a.csv", 6) == b"123456"
    with pytest.raises(
        DataError, match=r"a\.csv has 6 bytes, too many .*\n  expected: at most 5\n  fix     : div"
    ):
        read_limited(FolderTree(Path("gone"), files.sizes, (), ()), "a.csv", 5)
    with pytest.raises(DataError, match=r"has 268,435,457 bytes"):
        check_size("a.csv", 2**28 + 1)


@given(st.binary(max_size=40))
def test_the_beginning_of_any_bytes_is_text(data):
    assert "\0" not in beginning(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_the_beginning_is_recognized_in_any_encoding(encoding):
    assert beginning("path,label\n".encode(encoding)) == "path,label\n"
