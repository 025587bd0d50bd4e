"""Faults of worker processes. What is sent to them is made of built-in functions only, for they
cannot import test modules."""

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial

import pytest
import torch

from manako.data import workers
from manako.data.workers import batches_of_workers
from manako.errors import ResourceError
from manako.structures import Batch, ClassTarget, Frame

BATCH = Batch(
    torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2),
    (ClassTarget(0), None),
    (Frame((2, 2), (2, 2), (2, 2)),) * 2,
    ("a.png", "ü.png"),
)
give = dict.fromkeys(range(100), BATCH).__getitem__


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert multiprocessing.active_children() == []


def seconds_since(start):
    return time.monotonic() - start


def test_batches_arrive_whole_and_their_images_may_be_written_to():
    with closing(batches_of_workers(give, range(5), 2)) as batches:
        received = list(batches)

    assert len(received) == 5
    for batch in received:
        assert torch.equal(batch.images, BATCH.images)
        assert (batch.targets, batch.frames, batch.names) == (
            BATCH.targets,
            BATCH.frames,
            BATCH.names,
        )
        batch.images.zero_()


@pytest.mark.parametrize("shape", [(2, 1, 9), (2, 1, 4, 5), (2, 3, 4, 5, 6)])
def test_signals_spectrograms_and_volumes_arrive_whole(shape):
    batch = Batch(torch.randn(shape), BATCH.targets, BATCH.frames, BATCH.names)
    with closing(batches_of_workers({0: batch}.__getitem__, [0], 1)) as batches:
        (received,) = batches

    assert received.images.dtype == torch.float32
    assert torch.equal(received.images, batch.images)


def test_batches_come_in_the_order_asked_for_however_long_each_takes():
    numbered = {
        step: Batch(
            torch.full((1, 1, 1, 1), step, dtype=torch.uint8), (None,), BATCH.frames[:1], ("",)
        )
        for step in range(7)
    }
    steps = [6, 0, 3, 5, 1]

    with closing(batches_of_workers(numbered.__getitem__, steps, 3)) as batches:
        assert [int(batch.images) for batch in batches] == steps


def test_closing_early_ends_the_workers_at_once():
    batches = batches_of_workers(give, range(50), 2)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    start = time.monotonic()

    batches.close()

    assert multiprocessing.active_children() == []
    assert seconds_since(start) < workers.GRACE_SECONDS


def test_forgetting_the_iterator_ends_the_workers():
    batches = batches_of_workers(give, range(50), 1)
    next(batches)

    del batches

    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_reported_with_its_signal():
    batches = batches_of_workers(give, range(50), 2)
    next(batches)
    start = time.monotonic()

    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(
        ResourceError, match=r"killed by the system \(signal 9, Killed\)\n.*memory ran out"
    ):
        list(batches)

    assert seconds_since(start) < workers.GRACE_SECONDS


def test_a_worker_killed_at_work_is_reported_as_soon_as_it_is_gone():
    batches = batches_of_workers(time.sleep, [60], 1)
    killer = threading.Thread(target=kill_the_first_worker)
    start = time.monotonic()

    killer.start()
    with pytest.raises(ResourceError, match="signal 9, Killed"):
        next(batches)

    killer.join()
    assert seconds_since(start) < 30  # the worker would have slept for 60


def test_a_worker_that_crashes_is_reported_with_its_signal():
    batches = batches_of_workers(give, range(50), 1)
    next(batches)

    os.kill(multiprocessing.active_children()[0].pid, signal.SIGSEGV)
    with pytest.raises(ResourceError, match=r"\(signal 11, Segm.*\)\n.*workers=0 to see where"):
        list(batches)


def kill_the_first_worker():
    while not multiprocessing.active_children():
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def test_signals_to_the_whole_group_leave_the_workers_to_the_main_process():
    batches = batches_of_workers(give, range(30), 2)
    next(batches)
    next(batches)  # both are at work

    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)

    assert len(list(batches)) == 28


def test_a_worker_that_hangs_is_given_up_and_ended(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.2)

    with pytest.raises(ResourceError, match=r"has not answered for 0\.5 s\n.*disk"):
        next(batches_of_workers(time.sleep, [60], 1))


class EndsWhenUnpickled:
    def __reduce__(self):
        return os._exit, (3,)


def test_a_worker_that_ends_by_itself_is_reported_with_its_exit_code():
    with pytest.raises(ResourceError, match=r"ended by itself \(exit code 3\)\n.*__main__"):
        next(batches_of_workers(EndsWhenUnpickled(), range(5), 1))


def test_a_bug_in_a_worker_comes_with_its_trace():
    with pytest.raises(RuntimeError, match=r"a loader worker failed:\n(.|\n)*ZeroDivisionError"):
        next(batches_of_workers(partial(operator.floordiv, 1), [0], 1))


def test_a_worker_without_memory_says_so():
    with pytest.raises(ResourceError, match="a loader worker ran out of memory"):
        next(batches_of_workers(partial(operator.mul, b"x"), [2**62], 1))


SCRIPT = """
import multiprocessing, sys
from manako.data.workers import batches_of_workers
from manako.structures import Batch, Frame
import torch

if __name__ == "__main__":
    batch = Batch(torch.zeros(1, 1, 1, 1).byte(), (None,), (Frame((1, 1), (1, 1), (1, 1)),), ("",))
    batches = batches_of_workers([batch].__getitem__, [0] * 50, 2)
    next(batches)
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    if sys.argv[1] == "wait":
        sys.stdin.read()
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("end", ["exits", "is killed"])
def test_no_worker_outlives_a_main_process_that(end, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")

    with subprocess.Popen(
        [sys.executable, str(script), "wait" if end == "is killed" else "go"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as main:
        pids = [int(pid) for pid in main.stdout.readline().split()]
        if end == "is killed":
            main.kill()
        _, errors = main.communicate(timeout=30)

    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(is_running, pids))
    if end == "exits":
        assert (main.returncode, errors) == (0, "")
