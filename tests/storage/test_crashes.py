"""Killed at every step of a save: afterwards there is the old state or the new one, whole.

A driver forks one child for each system call of a save and kills it (SIGKILL) right before or right
after that call, until a child gets through alive.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = """
import os, signal, sys
from pathlib import Path
from manako.storage import folders, replace_folder, save_folder, sweep_leftovers, verify_folder
from manako.storage import write_bytes_atomic

kind, root = sys.argv[1], Path(sys.argv[2])
CALLS = ("fsync", "rename", "replace", "mkdir", "open", "close", "unlink", "rmdir")


def write(text):
    def fill(folder):
        (folder / "a.bin").write_bytes(text)
        (folder / "b.bin").write_bytes(text * 1000)
    return fill


def save(target, text):
    if kind == "file":
        write_bytes_atomic(target, text)
    elif kind == "save":
        save_folder(target, write(text))
    else:
        replace_folder(target, write(text))


def read(target):
    if not target.exists():
        return None
    if kind == "file":
        return target.read_bytes()
    verify_folder(target)
    return (target / "a.bin").read_bytes()


def die_at(number, when):
    count = 0

    def deadly(call):
        def step(*args, **options):
            nonlocal count
            count += 1
            own = count
            if own == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*args, **options)
            finally:
                if own == number:
                    os.kill(os.getpid(), signal.SIGKILL)
        return step

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))
    folders.exchange = deadly(
        folders.exchange if kind == "replace" else lambda one, other: False
    )


def one_kill(number, when):
    folder = root / f"{when}-{number}"
    folder.mkdir()
    target = folder / "target"
    old = None if kind == "save" else b"old"
    if old:
        save(target, old)
    child = os.fork()
    if child == 0:
        die_at(number, when)
        save(target, b"new")
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
    if kind != "replace by two renames":
        assert read(target) in (old, b"new"), (number, when)
    sweep_leftovers(folder)
    after = read(target)
    assert after in (old, b"new") and (not survived or after == b"new"), (number, when, after)
    left = {path.name for path in folder.iterdir()} - {"target"}
    assert not left, (number, when, left)
    return survived


for when in ("before", "after"):
    number = 1
    while not one_kill(number, when):
        number += 1
    print(when, number - 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("kind", ["file", "save", "replace", "replace by two renames"])
def test_killed_at_any_step_a_save_leaves_the_old_or_the_complete_new(tmp_path, kind):
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, kind, tmp_path], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    kills = dict(line.split() for line in done.stdout.splitlines())
    assert int(kills["before"]) == int(kills["after"]) >= (5 if kind == "file" else 15)


FILL = """
import sys
from pathlib import Path
from manako.errors import ResourceError
from manako.storage import append_line, save_folder, verify_folder, write_bytes_atomic

disk = Path(sys.argv[1])
save_folder(disk / "old", lambda folder: (folder / "a.bin").write_bytes(b"x" * 100_000) and None)
attempts = {
    "folder": lambda: save_folder(
        disk / "new", lambda folder: (folder / "a.bin").write_bytes(b"x" * 2_000_000) and None),
    "file": lambda: write_bytes_atomic(disk / "new.bin", b"x" * 2_000_000),
    "line": lambda: [append_line(disk / "log", "x" * 1000) for _ in range(2000)],
}
for name, attempt in attempts.items():
    try:
        attempt()
    except ResourceError as error:
        assert f"the disk is full" in error.what and f"GB free on {disk}" in error.what, error
        print(name, "refused")
verify_folder(disk / "old")
assert sorted(path.name for path in disk.iterdir()) == ["log", "old"]
"""


def test_a_disk_that_is_really_full_is_said_and_keeps_what_was_saved(tmp_path):
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1"'
    mount_and_run = f'{mount} && exec "$2" -c "$3" "$1"'
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*unshare, "sh", "-c", mount, "sh", tmp_path], capture_output=True
        ).returncode
    ):
        pytest.skip("this machine does not let tests mount a small disk")

    done = subprocess.run(
        [*unshare, "sh", "-c", mount_and_run, "sh", tmp_path, sys.executable, FILL],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["folder refused", "file refused", "line refused"]


def test_the_driver_itself_notices_a_save_that_is_not_atomic(tmp_path):
    careless = DRIVER.replace(
        "def save(target, text):", "def save(target, text):\n    return target.write_bytes(text)"
    ).replace('CALLS = ("fsync",', 'CALLS = ("fsync", "write",')
    torn = careless.replace(
        "return target.write_bytes(text)",
        "d = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)\n"
        "    return [os.write(d, text[:1]), os.write(d, text[1:])]",
    )

    done = subprocess.run(
        [sys.executable, "-c", torn, "file", tmp_path], capture_output=True, text=True
    )

    assert done.returncode != 0
    assert "AssertionError" in done.stderr
    assert Path(tmp_path, "before-1").exists()
