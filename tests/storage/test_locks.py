"""One process at a time, and no lock outlives its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manako.errors import BusyError, ResourceError
from manako.storage import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from manako.storage import FolderLock
with FolderLock(Path(sys.argv[1])):
    if "fork" in sys.argv:
        import os
        child = os.fork()
        if child == 0:
            print(os.getpid(), flush=True)  # said by the child: by now it has let go of the lock
            os.close(1)
            time.sleep(60)
            os._exit(0)
    else:
        print("held", flush=True)
    time.sleep(60)
"""


def start_holder(folder, *options):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, *options], stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_held_by_another_process_is_busy_and_says_by_whom(tmp_path):
    process, _ = start_holder(tmp_path)

    try:
        with pytest.raises(BusyError) as raised, FolderLock(tmp_path):
            pass
    finally:
        end(process)

    assert f"{tmp_path} is in use by pid {process.pid} on host " in raised.value.what
    assert "(since " in raised.value.what
    assert raised.value.exit_code == 7


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path):
    process, _ = start_holder(tmp_path)
    end(process)

    with FolderLock(tmp_path):
        text = (tmp_path / ".lock").read_text(encoding="utf-8")

    assert f'"pid": {os.getpid()}' in text


def test_a_worker_forked_from_a_killed_process_does_not_keep_the_lock(tmp_path):
    process, child = start_holder(tmp_path, "fork")
    end(process)

    try:
        with FolderLock(tmp_path):
            os.kill(int(child), 0)  # raises if the worker were dead already
            text = (tmp_path / ".lock").read_text(encoding="utf-8")
        assert f'"pid": {os.getpid()}' in text
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_a_forked_child_does_not_give_back_the_lock_of_its_parent(tmp_path):
    code = """
import os, sys
from pathlib import Path
from manako.errors import BusyError
from manako.storage import FolderLock
folder = Path(sys.argv[1])
with FolderLock(folder) as lock:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        try:
            FolderLock(folder).__enter__()
        except BusyError:
            print("still held")
"""

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )

    assert done.stdout == "still held\n"


def test_the_same_process_cannot_hold_a_folder_twice_but_one_after_the_other(tmp_path):
    with FolderLock(tmp_path), pytest.raises(BusyError), FolderLock(tmp_path):
        pass

    with FolderLock(tmp_path):
        pass

    assert (tmp_path / ".lock").read_bytes() == b""


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyError), FolderLock(tmp_path / "new"):
        raise KeyError

    with FolderLock(tmp_path / "new"):
        pass


def test_a_lock_file_without_an_owner_is_still_busy(tmp_path):
    with FolderLock(tmp_path):
        (tmp_path / ".lock").write_bytes(b"")

        with pytest.raises(BusyError, match="in use by another process"), FolderLock(tmp_path):
            pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    import fcntl

    def refuse(descriptor, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(ResourceError, match=r"cannot lock .*No locks available"):
        FolderLock(tmp_path).__enter__()


def test_of_many_processes_that_start_together_exactly_one_gets_the_folder(tmp_path):
    code = """
import sys, time
from pathlib import Path
from manako.errors import BusyError
from manako.storage import FolderLock
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    with FolderLock(folder):
        print("owner", flush=True)
        sys.stdin.readline()
except BusyError:
    print("busy", flush=True)
"""
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starts:
        process.stdout.readline()

    for process in starts:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.stdout.readline().strip() for process in starts]
    for process in starts:
        process.communicate("end\n")

    assert sorted(answers) == ["busy", "busy", "busy", "owner"]


def test_taking_and_giving_back_does_not_leak_descriptors(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        with FolderLock(tmp_path):
            time.sleep(0)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
