"""Caches: found again, made once, bounded, and never trusted when damaged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from manako.errors import ResourceError, UsageError
from manako.storage import Cache, all_caches, cache_root, caches, folders, verify_folder
from manako.storage.caches import TAG
from manako.storage.manifest import UNSYNCED
from manako.storage.temporary import temporary_path


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MANAKO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MANAKO_CACHE_GB", raising=False)


def write(size):
    return lambda folder: (folder / "data.bin").write_bytes(b"x" * size) and None


def fill(cache, **sizes):
    """Entries used one second after the other, the first the longest ago."""
    for second, (key, size) in enumerate(sizes.items()):
        path = cache.create(key, write(size))
        os.utime(path / "MANIFEST", (second, second))


def keys(cache):
    return [entry.path.name for entry in cache.entries()]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MANAKO_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/manako"),
        ({"MANAKO_CACHE": "~/own"}, "/home/me/own"),
        ({"MANAKO_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/me/.cache/manako"),
    ],
)
def test_the_place_follows_the_environment(monkeypatch, environment, expected):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("MANAKO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert cache_root().as_posix() == expected


def test_an_entry_is_made_once_and_found_again():
    cache = Cache("decoded")
    calls = []

    def write_and_count(folder):
        calls.append(folder)
        write(3)(folder)

    first = cache.create("key", write_and_count)
    second = cache.create("key", write_and_count)

    assert first == second == cache.folder("key") == cache_root() / "decoded" / "key"
    assert len(calls) == 1
    verify_folder(first)


def test_keys_that_are_no_plain_names_are_kept_apart():
    cache = Cache("decoded")

    paths = {cache.create(key, write(1)) for key in ("Key", "key", "../key", "a/b", "a b", "é")}

    assert len(paths) == 6
    assert all(path.parent == cache.root for path in paths)


@pytest.mark.parametrize("name", ["", "..", "a/b", "Big", ".hidden"])
def test_a_cache_with_another_name_than_a_plain_one_is_refused(name):
    with pytest.raises(UsageError, match="cannot name a cache"):
        Cache(name)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "data.bin").unlink(),
        lambda path: (path / "data.bin").write_bytes(b""),
        lambda path: (path / "MANIFEST").unlink(),
        lambda path: (path / "more").touch(),
    ],
)
def test_a_damaged_entry_is_not_found_and_made_anew(damage):
    cache = Cache("decoded")
    damage(cache.create("key", write(3)))

    found = cache.folder("key")
    path = cache.create("key", write(4))

    assert found is None
    assert (path / "data.bin").read_bytes() == b"xxxx"
    verify_folder(path)
    assert {one.name for one in cache.root.iterdir()} == {"key", TAG}


def test_an_entry_whose_writer_failed_is_not_there():
    cache = Cache("decoded")

    def fail(folder):
        write(3)(folder)
        raise KeyError("bug")

    with pytest.raises(KeyError):
        cache.create("key", fail)

    assert cache.folder("key") is None
    assert list(cache.root.iterdir()) == []


def test_trimming_removes_the_least_recently_used_first():
    cache = Cache("decoded")
    fill(cache, a=1000, b=1000, c=1000)
    cache.folder("a")
    sizes = {entry.path.name: entry.bytes for entry in cache.entries()}

    freed = cache.trim(sizes["a"] + sizes["c"])

    assert freed == sizes["b"]
    assert keys(cache) == ["c", "a"]


def test_nothing_is_trimmed_below_the_limit():
    cache = Cache("decoded")
    fill(cache, a=10, b=10)

    assert cache.trim(10_000) == 0
    assert keys(cache) == ["a", "b"]


def test_clearing_frees_everything_and_the_leftovers_of_the_dead(dead_pid):
    cache = Cache("decoded")
    fill(cache, a=10, b=0)
    used = sum(entry.bytes for entry in cache.entries())
    left = temporary_path(cache.root / "c")
    dead = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{dead_pid}-"))
    dead.mkdir()

    freed = cache.clear()

    assert freed == used > 0
    assert [one.name for one in cache.root.iterdir()] == [TAG]


def test_clearing_a_cache_that_was_never_used_frees_nothing():
    assert Cache("decoded").clear() == 0
    assert all_caches() == []


def test_a_new_entry_pushes_out_the_oldest_of_all_caches_but_never_itself(monkeypatch):
    one, two = Cache("one"), Cache("two")
    fill(one, old=5000)
    fill(two, newer=0, new=5000)
    monkeypatch.setenv("MANAKO_CACHE_GB", "0.000011")

    two.create("newest", write(5000))

    assert [cache.name for cache in all_caches()] == ["one", "two"]
    assert keys(one) == []
    assert keys(two) == ["newer", "new", "newest"]

    two.create("huge", write(50_000))

    assert keys(two) == ["huge"]


def test_a_cap_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("MANAKO_CACHE_GB", "much")

    with pytest.raises(UsageError, match="MANAKO_CACHE_GB is 'much'"):
        Cache("decoded").create("key", write(1))


def test_a_place_that_cannot_be_written_names_the_way_out(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(ResourceError, match="the disk is read-only") as raised:
        Cache("decoded").create("key", write(1))

    assert "MANAKO_CACHE=/another/folder moves the cache" in raised.value.fix


def test_two_processes_that_make_one_key_at_a_time_both_succeed(tmp_path):
    code = """
import sys
from manako.storage import Cache, verify_folder
def write(folder):
    print("writing", flush=True)
    sys.stdin.readline()
    (folder / "data.bin").write_bytes(b"x" * 1000)
path = Cache("race").create("key", write)
verify_folder(path)
print(path)
"""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "writing\n"

    answers = [racer.communicate("go\n")[0].strip() for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0]
    assert answers == [str(cache_root() / "race" / "key")] * 2
    assert {one.name for one in (cache_root() / "race").iterdir()} == {"key", TAG}


def after_syncing():
    for thread in threading.enumerate():
        if thread.name == "syncing":
            thread.join()


@pytest.fixture
def starts(monkeypatch):
    """The name of the machine's start, to be changed."""
    now = ["first"]
    monkeypatch.setattr(caches, "machine_start", lambda: now[0])
    return now


def test_a_large_entry_is_brought_to_the_disk_in_the_background(starts, monkeypatch):
    synced = []
    monkeypatch.setattr(caches, "sync_contents", synced.append)
    cache = Cache("decoded")

    path = cache.create("large", write(10), hashed=False)

    assert cache.folder("large") == path
    after_syncing()
    assert synced == [path]
    assert not (path / UNSYNCED).exists()
    starts[0] = "second"
    assert cache.folder("large") == path


def test_an_entry_that_was_not_on_the_disk_when_the_machine_stopped_is_made_anew(
    starts, monkeypatch
):
    def refuse(path):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(caches, "sync_contents", refuse)
    cache = Cache("decoded")
    path = cache.create("large", write(10), hashed=False)
    after_syncing()

    assert (path / UNSYNCED).read_text() == "first"
    assert cache.folder("large") == path  # what is in memory is whole
    starts[0] = "second"
    assert cache.folder("large") is None
    assert cache.create("large", write(20), hashed=False) == path
    assert (path / "data.bin").stat().st_size == 20


@pytest.mark.parametrize("hashed", [True, False])
def test_where_starts_are_not_told_apart_every_entry_waits_for_the_disk(
    starts, monkeypatch, hashed
):
    synced = []
    monkeypatch.setattr(folders, "sync_contents", lambda path: synced.append(path))
    starts[0] = ""

    path = Cache("decoded").create("large", write(10), hashed=hashed)

    assert len(synced) == 1
    assert not (path / UNSYNCED).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_machine_s_start_has_a_name():
    assert len(caches.machine_start()) == 36


def test_what_is_no_cache_is_never_cleared(tmp_path, monkeypatch):
    """MANAKO_CACHE may name a disk with other things on it."""
    others = [tmp_path / "cache" / name for name in ("thesis/text", "decoded/mine")]
    for folder in others:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 5000)
    monkeypatch.setenv("MANAKO_CACHE_GB", "1e-6")

    for cache in (Cache("decoded"), Cache("checked")):
        fill(cache, a=400, b=400, c=400)
    for cache in all_caches():
        cache.clear()

    assert [cache.name for cache in all_caches()] == ["checked"]
    assert all((folder / "file").exists() for folder in others)


def test_what_this_process_reads_is_not_pushed_out(monkeypatch):
    monkeypatch.setattr(caches, "_held", set())
    monkeypatch.setenv("MANAKO_CACHE_GB", "2e-6")
    read = caches.hold(Cache("archives").create("set", write(5000)))
    os.utime(read / "MANIFEST", (0, 0))

    fill(Cache("decoded"), a=100, b=100)

    assert Cache("archives").folder("set") == read
    assert keys(Cache("decoded")) == ["b"]
