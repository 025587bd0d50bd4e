import json
import os
import subprocess
import sys

import pytest

from manako.data import memory

glibc = pytest.mark.skipif(not memory._is_glibc(), reason="it is glibc that gives memory back")

SCRIPT = """
import json, resource, torch
from manako.data.memory import keep_freed_memory

def faults(steps=5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        kept = torch.ones(3_000_000)  # 12 MB, 2,900 pages
        freed = [torch.ones(9_000_000) for _ in range(2)]
        del freed, kept
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps

torch.set_num_threads(1)
before = faults()
kept = keep_freed_memory()
faults()  # the heap grows once more
print(json.dumps({"kept": kept, "before": before, "after": faults()}))
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


@glibc
def test_a_step_touches_no_new_pages_once_freed_memory_is_kept():
    found = run()

    assert found["kept"]
    assert found["before"] > 2_000
    assert found["after"] < found["before"] / 20


@glibc
def test_an_allocator_that_the_user_has_tuned_is_left_alone():
    found = run(MALLOC_TRIM_THRESHOLD_="131072")

    assert not found["kept"]
    assert found["after"] > 2_000


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)

    assert not memory.keep_freed_memory.__wrapped__()


def test_other_c_libraries_are_left_alone(monkeypatch):
    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "confstr", unknown, raising=False)

    assert not memory.keep_freed_memory.__wrapped__()
