import multiprocessing

import pytest

import doomed_looks
from manako.data.check import scan
from manako.data.check.pictures import see
from manako.data.check.scan import all_seen
from manako.data.dataset import Item
from manako.data.files import FolderTree
from manako.errors import ResourceError


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def files(tmp_path):
    return FolderTree.scan(tmp_path)


def items(*names):
    return [Item(name, None) for name in names]


def test_what_was_seen_comes_in_order_and_progress_counts_every_picture(files, monkeypatch):
    monkeypatch.setattr(scan, "WORTH_A_PROCESS", 10)
    names = [f"{number}.png" for number in range(75)]
    told = []

    found = all_seen(
        files, items(*names), workers=2, on_progress=told.append, look=doomed_looks.look
    )

    assert [one.digest.decode() for one in found] == names
    assert sum(told) == 75


def test_a_picture_that_ends_its_process_is_named_and_the_others_are_seen(files):
    names = ["a.png", "kills.png", "b.png", "leaves.png", "c.png", "once.png", "kills_too.png"]

    found = all_seen(files, items(*names), workers=2, look=doomed_looks.look)

    assert all(one.is_passing for one in found if one.error)
    errors = {name: one.error for name, one in zip(names, found, strict=True) if one.error}
    assert errors == {
        "kills.png": "kills.png cannot be decoded: the process that did it was killed by the "
        "system (signal 9, Killed)",
        "leaves.png": "leaves.png cannot be decoded: the process that did it ended by itself "
        "(exit code 3)",
        "kills_too.png": "kills_too.png cannot be decoded: the process that did it was killed by "
        "the system (signal 9, Killed)",
    }


def test_a_picture_that_hangs_its_process_is_named(files, monkeypatch):
    monkeypatch.setattr(scan, "PATIENCE_SECONDS", 0.5)

    found = all_seen(files, items("hangs.png", "a.png"), workers=1, look=doomed_looks.look)

    assert found[0].error == (
        "hangs.png cannot be decoded: the process that did it took more than 0.5 s"
    )
    assert (found[0].is_passing, found[1].is_passing) == (True, False)
    assert found[1].digest == b"a.png"


def test_a_process_that_cannot_begin_is_an_error_not_a_picture(files, monkeypatch):
    monkeypatch.setattr(scan, "_serve", int)  # which a pipe is no argument for

    with pytest.raises(ResourceError, match="cannot be started: it ended by itself"):
        all_seen(files, items("a.png"), workers=1, look=doomed_looks.look)


def test_processes_and_threads_see_the_same(write, picture):
    root = write({f"{number}.png": picture(number) for number in range(5)} | {"x.png": b"no"})
    files = FolderTree.scan(root)
    pictures = items(*files.paths)

    by_process = all_seen(files, pictures, workers=1)
    by_threads = all_seen(files, pictures, workers=0, threads=2)

    assert by_process == by_threads
    assert [bool(one.error) for one in by_threads] == [False] * 5 + [True]
    assert not any(one.is_passing for one in by_threads)  # damage stays


def test_no_pictures_need_no_process(files):
    assert all_seen(files, [], workers=2) == []


def test_an_error_of_ours_ends_the_check(files):
    def fail(files, item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        all_seen(files, items("a.png"), workers=0, look=fail)
    assert all_seen(files, items(), workers=0, look=see) == []
