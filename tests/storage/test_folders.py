"""Saved folders: whole or absent, whatever the disk does; what was altered is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from manako.errors import ArtefactError, ResourceError, UsageError
from manako.storage import folders, replace_folder, save_folder, sweep_leftovers, verify_folder
from manako.storage.durability import REFUSALS
from manako.storage.temporary import temporary_path


def write_new(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "weights.bin").write_bytes(b"new weights")
    (folder / "inner" / "größe.json").write_text("{}", encoding="utf-8")


def write_old(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"old weights")


def test_a_saved_folder_lists_sizes_and_hashes_and_verifies(tmp_path):
    target = tmp_path / "runs" / "model"

    save_folder(target, write_new)

    listed = json.loads((target / "MANIFEST").read_text(encoding="utf-8"))
    assert listed == {
        "inner/größe.json": {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
        "weights.bin": {"bytes": 11, "sha256": hashlib.sha256(b"new weights").hexdigest()},
    }
    verify_folder(target)


def test_every_changed_bit_of_every_file_is_refused(tmp_path):
    target = tmp_path / "model"
    save_folder(target, write_new)
    files = [path for path in target.rglob("*") if path.is_file()]

    for path in files:
        whole = path.read_bytes()
        for at in range(len(whole)):
            for bit in range(8):
                flipped = bytearray(whole)
                flipped[at] ^= 1 << bit
                path.write_bytes(flipped)
                with pytest.raises(ArtefactError, match="is damaged"):
                    verify_folder(target)
        path.write_bytes(whole)

    verify_folder(target)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("weights.bin", Path.unlink, "weights.bin is missing"),
        ("weights.bin", lambda path: path.write_bytes(b"short"), "it has 5 bytes, not 11"),
        ("weights.bin", lambda path: path.write_bytes(b"NEW weights"), "its SHA-256 differs"),
        ("extra.bin", Path.touch, "extra.bin is extra"),
        ("MANIFEST", Path.unlink, "MANIFEST is missing, so it was never finished"),
        ("MANIFEST", lambda path: path.write_text("{", encoding="utf-8"), "MANIFEST was changed"),
        (
            "MANIFEST",
            lambda path: path.write_text("[]\n", encoding="utf-8"),
            "MANIFEST was changed",
        ),
        ("MANIFEST", lambda path: path.write_bytes(b"\xff"), "MANIFEST was changed"),
        ("link", lambda path: path.symlink_to("/etc/passwd"), "link is a link"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tmp_path, name, damage, message):
    save_folder(tmp_path / "model", write_new)

    damage(tmp_path / "model" / name)

    with pytest.raises(ArtefactError, match=message):
        verify_folder(tmp_path / "model")


def test_what_the_system_puts_into_folders_is_no_damage(tmp_path):
    save_folder(tmp_path / "model", write_new)

    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".lock"):
        (tmp_path / "model" / name).touch()

    verify_folder(tmp_path / "model")


def test_a_manifest_that_points_outside_reads_nothing_there(tmp_path):
    save_folder(tmp_path / "model", write_old)
    outside = {"../secret": {"bytes": 1, "sha256": "0" * 64}}
    text = json.dumps(outside, indent=1, sort_keys=True) + "\n"
    (tmp_path / "model" / "MANIFEST").write_text(text, encoding="utf-8")
    (tmp_path / "secret").write_bytes(b"x")

    with pytest.raises(ArtefactError, match=r"\.\./secret is missing"):
        verify_folder(tmp_path / "model")


def test_an_existing_folder_is_not_overwritten(tmp_path):
    save_folder(tmp_path / "model", write_old)

    with pytest.raises(UsageError, match="model exists already"):
        save_folder(tmp_path / "model", write_new)

    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"old weights"


def test_a_folder_that_appears_while_writing_is_not_overwritten(tmp_path):
    def write_while_another_process_wins(folder: Path) -> None:
        write_new(folder)
        save_folder(tmp_path / "model", write_old)

    with pytest.raises(UsageError, match="model exists already"):
        save_folder(tmp_path / "model", write_while_another_process_wins)

    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"old weights"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("save", [save_folder, replace_folder])
@pytest.mark.parametrize("error", [KeyError("bug"), KeyboardInterrupt(), OSError(errno.EMFILE, "")])
def test_when_the_writer_fails_its_error_comes_through_and_nothing_stays(tmp_path, save, error):
    def fail(folder: Path) -> None:
        write_new(folder)
        raise error

    with pytest.raises(type(error)):
        save(tmp_path / "model", fail)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("swaps_in_one_step", [True, False])
def test_replacing_swaps_the_old_folder_for_the_new(tmp_path, monkeypatch, swaps_in_one_step):
    if not swaps_in_one_step:
        monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    replace_folder(tmp_path / "model", write_old)

    replace_folder(tmp_path / "model", write_new)

    verify_folder(tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"new weights"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_when_the_second_rename_fails_the_old_folder_gets_its_name_back(tmp_path, monkeypatch):
    save_folder(tmp_path / "model", write_old)
    monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    rename, calls = os.rename, []

    def fail_second(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, "input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_second)

    with pytest.raises(ResourceError, match="input/output error"):
        replace_folder(tmp_path / "model", write_new)

    verify_folder(tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"old weights"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_disk_that_refuses_gives_a_resource_error_and_keeps_the_old(tmp_path, monkeypatch, code):
    save_folder(tmp_path / "model", write_old)

    def refuse(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(ResourceError, match=REFUSALS[code][0]) as raised:
        replace_folder(tmp_path / "model", write_new)

    assert raised.value.exit_code == 5
    assert "GB free on" in raised.value.what
    assert REFUSALS[code][1] in raised.value.fix
    verify_folder(tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"old weights"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_when_only_the_last_fsync_fails_the_folder_is_there_and_the_doubt_is_said(
    tmp_path, monkeypatch
):
    fsync = os.fsync

    def fail_for_parent(descriptor):
        if (tmp_path / "model").exists():
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_parent)

    with pytest.raises(ResourceError, match="is saved but durability is uncertain"):
        save_folder(tmp_path / "model", write_new)

    verify_folder(tmp_path / "model")


def test_every_file_and_every_folder_is_synced_before_it_gets_its_name(tmp_path, monkeypatch):
    log = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor):
        log.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def note_rename(source, target):
        log.append("-> " + Path(target).name)
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)

    save_folder(tmp_path / "model", write_new)

    named = ["TEMPORARY" if name.startswith(".tmp-") else name for name in log]
    assert sorted(named[:2]) == ["größe.json", "weights.bin"]
    assert named[2] == "MANIFEST"
    assert sorted(named[3:5]) == ["TEMPORARY", "inner"]
    assert named[5:] == ["-> model", tmp_path.name]


def test_sweeping_removes_only_what_dead_processes_of_this_host_left(tmp_path, dead_pid):
    ours = temporary_path(tmp_path / "model")
    ours.mkdir()
    dead = ours.with_name(ours.name.replace(f"-{os.getpid()}-", f"-{dead_pid}-"))
    host = ours.name.split("-")[2]
    strangers = [
        dead.name.replace(host, "0" * 8),
        ".tmp-model",
        f".tmp-model-{dead_pid}",
        f".cache-model-{host}-{dead_pid}-01234567",
        "model",
    ]
    for name in [dead.name, *strangers]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    dead_file = temporary_path(tmp_path / "a.json").name.replace(str(os.getpid()), str(dead_pid))
    (tmp_path / dead_file).touch()

    swept = sweep_leftovers(tmp_path)

    assert {path.name for path in swept} == {dead.name, dead_file}
    assert {path.name for path in tmp_path.iterdir()} == {*strangers, ours.name}


def test_sweeping_a_folder_that_does_not_exist_finds_nothing(tmp_path):
    assert sweep_leftovers(tmp_path / "none") == []
