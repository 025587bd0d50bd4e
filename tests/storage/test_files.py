"""Single files: atomic, durable, and logs that survive a torn line."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import ResourceError, UsageError
from manako.storage import append_line, hash_file, write_bytes_atomic, write_text_atomic
from manako.storage.files import expect_file_place


def test_a_file_is_written_with_its_parents_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new" / "a.json"

    write_text_atomic(path, "first\r\n")
    write_text_atomic(path, "größer\n")

    assert path.read_bytes() == "größer\n".encode()
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        write_bytes_atomic(tmp_path / "a", b"")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_disk_that_refuses_keeps_the_old_file_and_leaves_no_temporary(tmp_path, monkeypatch):
    write_text_atomic(tmp_path / "a", "old")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(ResourceError, match=r"cannot write .*a: the disk is full .*GB free on"):
        write_text_atomic(tmp_path / "a", "new")

    assert (tmp_path / "a").read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_other_system_errors_are_not_renamed(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(OSError, match="Too many open files"):
        write_text_atomic(tmp_path / "a", "text")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "it is a folder"),
        ("file/a", "a file is in the way"),
        ("file/new/a", "a file is in the way"),
        ("n" * 300, "the name is too long"),
    ],
)
def test_a_path_where_no_file_can_be_is_a_refusal(name, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(ResourceError, match=f"cannot write .*: {message}"):
        write_text_atomic(tmp_path / name, "text")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "is a folder"),
        ("file/a", "cannot be written: a part of the path is a file"),
        ("file/new/a", "cannot be written: a part of the path is a file"),
        ("n" * 300, "cannot be written: the name is too long"),
        ("n" * 250, "cannot be written: the name is too long"),  # with what is added for a while
    ],
)
def test_a_place_for_a_file_is_refused_before_the_work(name, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=message):
        expect_file_place(tmp_path / name)


@pytest.mark.parametrize("name", ["a", "new/a", "file"])
def test_a_place_where_a_file_may_be_is_left_as_it_is(name, tmp_path, monkeypatch):
    (tmp_path / "file").touch()

    expect_file_place(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    expect_file_place(Path(name))

    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_line_after_a_torn_line_begins_below_it(tmp_path):
    append_line(tmp_path / "log", "one")
    with (tmp_path / "log").open("ab") as file:
        file.write(b"torn")

    append_line(tmp_path / "log", "zwölf")
    append_line(tmp_path / "log", "three")

    assert (tmp_path / "log").read_text(encoding="utf-8") == "one\ntorn\nzwölf\nthree\n"


@pytest.mark.parametrize("text", ["a\nb", "a\r"])
def test_a_line_of_two_lines_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match="a line for log must not contain line breaks"):
        append_line(tmp_path / "log", text)


@given(data=st.binary(max_size=200))
def test_the_hash_is_the_sha256_of_what_was_written(tmp_path_factory, data):
    import hashlib

    path = tmp_path_factory.mktemp("hash") / "file"
    write_bytes_atomic(path, data)

    found = hash_file(path)

    assert found == hashlib.sha256(data).hexdigest()


def test_the_names_of_the_file_and_of_new_parents_are_synced(tmp_path, monkeypatch):
    log, fsync = [], os.fsync

    def note(descriptor):
        log.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)

    write_text_atomic(tmp_path / "one" / "two" / "a.json", "{}")

    assert log[:2] == [tmp_path.name, "one"]
    assert log[2].startswith(".tmp-a.json-")
    assert log[3:] == ["two"]
